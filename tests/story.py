"""Describes an environment after a failed test: status, conditions, Events, and the last lines of its logs."""

from __future__ import annotations

import json
from typing import Any

from tests.live import Cluster, Object

_LOG_LINES = "25"


def story_of(cluster: Cluster, namespace: str, name: str) -> str:
    """One environment and its pod. Never raises: it is printed beside another error."""
    try:
        return "\n".join(_lines(cluster, namespace, name))
    except Exception as error:  # the first error is what matters
        return f"(the state of {namespace}/{name} cannot be read: {error})"


def _lines(cluster: Cluster, namespace: str, name: str) -> list[str]:
    environment = cluster.get("dindenvironments.dind.dev", name, namespace)
    pod = cluster.get("pod", name, namespace)
    lines = [f"--- DindEnvironment {namespace}/{name}: {_short(environment)}", *_conditions(environment)]
    lines += [f"--- Pod {namespace}/{name}: {_short(pod)}", *_conditions(pod), *_containers(pod)]
    events = cluster.items("events", namespace, fields=f"involvedObject.name={name}")
    lines.append("--- Events")
    lines += [
        f"  {item.get('lastTimestamp') or item.get('eventTime')} {item['type']:<7} {item['reason']} "
        f"{item['involvedObject']['kind']}: {item['message']} (x{item.get('count') or 1})"
        for item in sorted(events, key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime")))
    ]
    for status in _statuses(pod):
        for previous in ("false", "true"):
            if text := cluster.log(namespace, name, status["name"], tailLines=_LOG_LINES, previous=previous):
                lines += [f"--- log of {status['name']}" + (" before its restart" if previous == "true" else ""), text]
    return lines


def _short(found: Object | None) -> str:
    if found is None:
        return "does not exist"
    status = found.get("status") or {}
    rest = {key: value for key, value in status.items() if not isinstance(value, dict | list)}
    if going := found["metadata"].get("deletionTimestamp"):
        rest["deletionTimestamp"] = going
    if finalizers := found["metadata"].get("finalizers"):
        rest["finalizers"] = finalizers
    return json.dumps(rest)


def _conditions(found: Object | None) -> list[str]:
    conditions: list[dict[str, Any]] = ((found or {}).get("status") or {}).get("conditions") or []
    return [
        f"  {item['type']}={item['status']} {item.get('reason', '')}: {item.get('message', '')}" for item in conditions
    ]


def _statuses(pod: Object | None) -> list[Object]:
    status = (pod or {}).get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _containers(pod: Object | None) -> list[str]:
    return [
        f"  container {item['name']}: restarts {item['restartCount']}, state {json.dumps(item['state'])}, "
        f"last {json.dumps(item.get('lastState') or {})}"
        for item in _statuses(pod)
    ]

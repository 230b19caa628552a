"""The sections of a report about the pod: its state, its containers, and their termination messages. Pure."""

from typing import Any

from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.report.redact import masked_text
from dind_operator.state import pod_status as pods
from dind_operator.state.node_reports import DaemonEnd, PreflightReport, daemon_end

MAX_LINE = 1000
"""The number of characters of one line of a log. A progress bar can produce lines of megabytes."""

Facts = dict[str, Any]


def image(pod: dict[str, Any] | None, container: str) -> str | None:
    """The image of a container in the spec of the pod."""
    spec = (pod or {}).get("spec") or {}
    for item in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if item.get("name") == container:
            image: str | None = item.get("image")
            return image
    return None


def pod_facts(pod: dict[str, Any] | None) -> Facts:
    """The section about the pod."""
    if pod is None:
        return {"exists": "no"}
    metadata, owner = pod["metadata"], pods.controller(pod)
    return {
        "uid": metadata.get("uid"),
        "owner": f"{owner.get('kind')} {owner.get('name')} ({owner.get('uid')})"
        if owner
        else "none: the environment does not control the pod",
        "created": metadata.get("creationTimestamp"),
        "being deleted since": metadata.get("deletionTimestamp"),
        "phase": pods.phase(pod),
        "reason": pods.status_reason(pod),
        "message": pods.status_message(pod),
        "quality of service": pod.get("status", {}).get("qosClass"),
        "conditions": [
            f"{item.get('type')}={item.get('status')}"
            + (f" ({item['reason']}) {item.get('message', '')}" if item.get("reason") else "")
            for item in pod.get("status", {}).get("conditions") or []
        ],
    }


def container_facts(pod: dict[str, Any] | None, preflight: PreflightReport | None, ends: list[DaemonEnd]) -> Facts:
    """The states of the containers, and the reports of the init container and of the daemon's container."""
    if pod is None:
        return {}
    found: Facts = {}
    for name in (INIT_CONTAINER, DAEMON_CONTAINER, *pods.workload_names(pod)):
        status = pods.container_status(pod, name)
        if status:
            found[name] = {
                "state": _state(status.get("state")),
                "before": _state(status.get("lastState")),
                "restarts": status.get("restartCount"),
                "image id": status.get("imageID"),
            }
    if INIT_CONTAINER in found and preflight is not None and preflight.error is not None:
        error = preflight.error
        found[INIT_CONTAINER]["failed check"] = f"{error.check}, {error.reason}: {error.message}"
    if DAEMON_CONTAINER in found:
        errors = [
            f"{end.error.check}, {end.error.reason}: {end.error.message}" for end in ends if end.error is not None
        ]
        found[DAEMON_CONTAINER]["failed check"] = next(iter(errors), None)
        found[DAEMON_CONTAINER]["last words"] = next((log(end.tail) for end in ends if end.tail), None)
    return {
        name: {key: item for key, item in value.items() if item not in (None, "", [])} for name, value in found.items()
    }


def daemon_ends(pod: dict[str, Any] | None) -> list[DaemonEnd]:
    """The parsed termination messages of the daemon, the most recent first."""
    if pod is None:
        return []
    status = pods.daemon(pod)
    ends = [(status.get(state) or {}).get("terminated") or {} for state in ("state", "lastState")]
    return [daemon_end(str(end["message"])) for end in ends if end.get("message")]


def _state(state: dict[str, Any] | None) -> str | None:
    """The state of a container in one line."""
    for kind, detail in (state or {}).items():
        parts = [kind]
        for key in ("reason", "exitCode", "signal", "startedAt", "finishedAt"):
            if (detail or {}).get(key) not in (None, ""):
                parts.append(f"{key}={detail[key]}")
        if kind == "waiting" and detail.get("message"):
            parts.append(str(detail["message"]))
        return " ".join(parts)
    return None


def log(text: str) -> list[str]:
    """The lines, masked and cut. They are masked first, because a part of a secret would not be recognized."""
    return [line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…" for line in masked_text(text).split("\n") if line]

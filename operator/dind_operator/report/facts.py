"""The contents of a report as plain data: selected, masked and limited in size. Pure.

Text that a user controls (logs, termination messages, parts of the spec) is masked here and escaped in ``render``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dind_operator import __version__
from dind_operator.api import names
from dind_operator.api.conditions import format_time
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.quantity import InvalidQuantity, format_bytes, parse_bytes
from dind_operator.report.apparmor import Collected, apparmor_facts
from dind_operator.report.pod import Facts, container_facts, daemon_ends, image, log, pod_facts
from dind_operator.report.redact import masked
from dind_operator.state import pod_status as pods
from dind_operator.state.node_reports import INOTIFY_NEEDED, DaemonEnd, PreflightReport, daemon_report

MAX_EVENTS = 30
_HEALTHY_NODE_CONDITIONS = {("Ready", "True")}
_PSA_LABEL = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The objects as the API returned them; None if an object was not read. ``missing`` contains a line for each failure."""

    environment: dict[str, Any]
    time: datetime
    namespace: dict[str, Any] | None = None
    pod: dict[str, Any] | None = None
    node: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    server_version: str | None = None
    log_head: str | None = None
    logs: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    node_log: Collected | None = None
    node_log_given: bool = False


def facts(gathered: Gathered) -> Facts:
    """The sections of the report, without empty sections and unknown values."""
    preflight = pods.preflight(gathered.pod) if gathered.pod is not None else None
    ends = daemon_ends(gathered.pod)
    found: Facts = {
        "report": {"tool": f"dind-operator {__version__}", "time": format_time(gathered.time)},
        "environment": _environment(gathered),
        "versions": _versions(gathered, preflight, ends),
        "node": _node(gathered, preflight),
        "docker volume": _storage(gathered, preflight),
        "memory": _memory(gathered),
        "conditions": _conditions(gathered.environment),
        "last failure": _status(gathered.environment).get("lastFailure"),
        "spec": gathered.environment.get("spec") or {},
        "pod": pod_facts(gathered.pod),
        "containers": container_facts(gathered.pod, preflight, ends),
        "events": _events(gathered.events),
        "apparmor messages": apparmor_facts(gathered.node_log) if gathered.node_log_given else None,
        "not read": gathered.missing,
    }
    found = {key: value for key, value in ((key, _compact(value)) for key, value in masked(found).items()) if value}
    found["logs"] = {title: log(text) for title, text in gathered.logs.items()}
    return found


def _status(environment: dict[str, Any]) -> dict[str, Any]:
    return environment.get("status") or {}


def _compact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item not in (None, "", [], {})}
    return value


def _environment(gathered: Gathered) -> Facts:
    metadata, status = gathered.environment["metadata"], _status(gathered.environment)
    labels = (gathered.namespace or {}).get("metadata", {}).get("labels") or {}
    label = labels.get(names.NAMESPACE_LABEL)
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "namespace label": f"{names.NAMESPACE_LABEL}={label or '(not set)'}" if gathered.namespace else None,
        "pod security": f"enforce={labels[_PSA_LABEL]}" if _PSA_LABEL in labels else None,
        "uid": metadata.get("uid"),
        "generation": f"{metadata.get('generation')}, observed {status.get('observedGeneration', 'none')}",
        "created": metadata.get("creationTimestamp"),
        "being deleted since": metadata.get("deletionTimestamp"),
        "phase": status.get("phase", "none: the operator has not processed the environment"),
        "restarts": status.get("restarts"),
        "recreations": status.get("recreations"),
        "next attempt": status.get("recreateAfter"),
    }


def _versions(gathered: Gathered, preflight: PreflightReport | None, ends: list[DaemonEnd]) -> Facts:
    status = _status(gathered.environment)
    reported = status.get("docker") or {}
    node, info = status.get("node") or {}, _node_info(gathered)
    logged = daemon_report(gathered.log_head or "")
    terminated = next((end.docker for end in ends if end.docker), None)
    docker = reported.get("serverVersion") or (logged.serverVersion if logged else None)
    return {
        "docker": docker
        or (f"{terminated} (dockerd has not responded)" if terminated else "unknown: dockerd has not started"),
        "kubernetes": gathered.server_version,
        "kubelet": info.get("kubeletVersion") or node.get("kubeletVersion"),
        "container runtime": info.get("containerRuntimeVersion") or node.get("containerRuntimeVersion"),
        "os": info.get("osImage") or node.get("osImage"),
        "kernel": info.get("kernelVersion") or node.get("kernelVersion") or (preflight.kernel if preflight else None),
        "architecture": info.get("architecture") or node.get("architecture"),
        "daemon image": status.get("daemonImage") or image(gathered.pod, DAEMON_CONTAINER),
        "node-tool image": status.get("nodeToolImage") or image(gathered.pod, INIT_CONTAINER),
    }


def _node_info(gathered: Gathered) -> dict[str, Any]:
    return (gathered.node or {}).get("status", {}).get("nodeInfo") or {}


def _node(gathered: Gathered, preflight: PreflightReport | None) -> Facts:
    status = _status(gathered.environment)
    reported = status.get("docker") or {}
    cgroup = None
    if preflight is not None and preflight.cgroup is not None:
        cgroup = f"v{preflight.cgroup.version} with {', '.join(preflight.cgroup.controllers)}"
    elif reported.get("cgroupVersion"):
        cgroup = f"v{reported['cgroupVersion']}"
    node = gathered.node or {}
    return {
        "name": (pods.node_name(gathered.pod) if gathered.pod is not None else None) or status.get("nodeName"),
        "cgroups": cgroup,
        "cgroup driver": reported.get("cgroupDriver"),
        "inotify instances": _inotify(preflight),
        "security mode": _security_mode(gathered, preflight),
        "apparmor": _apparmor(gathered, preflight),
        "allocatable": node.get("status", {}).get("allocatable"),
        "conditions": [
            f"{item.get('type')}={item.get('status')} ({item.get('reason')}): {item.get('message')}"
            for item in node.get("status", {}).get("conditions") or []
            if item.get("status") != "False" and (item.get("type"), item.get("status")) not in _HEALTHY_NODE_CONDITIONS
        ],
        "taints": [f"{taint.get('key')}={taint.get('value', '')}:{taint.get('effect')}" for taint in _taints(node)],
    }


def _inotify(preflight: PreflightReport | None) -> str | None:
    if preflight is None or preflight.inotify is None:
        return None
    found = preflight.inotify
    free = f"at least {found.free}" if found.free >= INOTIFY_NEEDED else found.free
    return f"{found.limit} for all pods of the node; {free} were free when the pod started"


def _taints(node: dict[str, Any]) -> list[dict[str, Any]]:
    return node.get("spec", {}).get("taints") or []


def _security_mode(gathered: Gathered, preflight: PreflightReport | None) -> str:
    mode = ((gathered.environment.get("spec") or {}).get("security") or {}).get("mode") or "Privileged"
    requested = f"requested: {mode}"
    runtime_class = ((gathered.pod or {}).get("spec") or {}).get("runtimeClassName")
    if runtime_class:
        requested += f" with the RuntimeClass {runtime_class}"
    return f"effective: {preflight.mode}; {requested}" if preflight is not None and preflight.mode else requested


def _apparmor(gathered: Gathered, preflight: PreflightReport | None) -> str:
    profile = ((gathered.environment.get("spec") or {}).get("security") or {}).get("appArmorProfile") or {}
    requested = f"requested: {profile.get('type', 'Unconfined')}"
    if profile.get("localhostProfile"):
        requested += f" {profile['localhostProfile']}"
    if preflight is None or preflight.apparmor is None:
        return requested
    if not preflight.apparmor.enabled:
        return f"not enabled on the node; {requested}"
    return f"effective: {preflight.apparmor.profile or 'unknown'}; {requested}"


def _storage(gathered: Gathered, preflight: PreflightReport | None) -> Facts:
    logged = daemon_report(gathered.log_head or "")
    data = pods.docker_volume(gathered.pod) if gathered.pod is not None else {}
    found = preflight.storage if preflight is not None else None
    return {
        "storage driver": (_status(gathered.environment).get("docker") or {}).get("storageDriver")
        or (logged.storageDriver if logged else None),
        "file system": found.filesystem if found else None,
        "overlay can be mounted": ("yes" if found.overlay else "no") if found else None,
        "volume": {key: value for key, value in data.items() if key != "name"},
    }


def _memory(gathered: Gathered) -> Facts:
    """The memory limit of the daemon, the reserve, and the limit of all nested containers together."""
    if gathered.pod is None:
        return {}
    reserve = pods.node_config(gathered.pod).get("reserveBytes")
    daemon = pods.daemon_container(gathered.pod)
    limit = ((daemon.get("resources") or {}).get("limits") or {}).get("memory")
    if limit is None:
        return {"limit": "none: nested containers can use all memory of the node"}
    found = {"limit": str(limit)}
    try:
        if isinstance(reserve, int):
            found["held back"] = format_bytes(reserve)
            found["nested containers together"] = format_bytes(parse_bytes(limit) - reserve)
    except InvalidQuantity:
        pass
    return found


def _conditions(environment: dict[str, Any]) -> list[Facts]:
    return [
        {key: item.get(key) for key in ("type", "status", "reason", "lastTransitionTime", "message")}
        for item in _status(environment).get("conditions") or []
    ]


def _events(events: list[dict[str, Any]]) -> list[Facts]:
    """The most recent Events, the newest last."""
    ordered = sorted(events, key=_event_time)[-MAX_EVENTS:]
    return [
        {
            "time": _event_time(event),
            "type": event.get("type"),
            "about": (event.get("involvedObject") or {}).get("kind"),
            "reason": event.get("reason"),
            "count": event.get("count"),
            "message": event.get("message"),
        }
        for event in ordered
    ]


def _event_time(event: dict[str, Any]) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event.get("metadata", {}).get("creationTimestamp"))
    return str(next((time for time in times if time), ""))

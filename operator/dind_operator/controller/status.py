"""From a verdict to the complete status, keeping what outlives the moment (times of transitions, the last failure)."""

from typing import Any

from dind_operator.api.conditions import ConditionType, format_time, set_conditions
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.status import WORD_MAX_LENGTH, clip
from dind_operator.controller.features import CONDITIONS, POD_STATUS, STATUS
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.observed import NodeView, Observed
from dind_operator.state.pod_failures import Failure

_KEPT = ("lastFailure", "recreations")
"""What is said of the environment and not of its present pod."""
_SURVIVING = ("lastFailure", "recreations", "recreateAfter")
"""What no pod shows any more once the one that failed is deleted."""
_OF_THE_POD = ("docker", "node", "daemonImage", "nodeToolImage", "reserveMemory")
_ALWAYS = (
    ConditionType.POD_SCHEDULED,
    ConditionType.CGROUPS_MOUNTED,
    ConditionType.STORAGE_HEALTHY,
    ConditionType.DAEMON_READY,
    ConditionType.UP_TO_DATE,
    ConditionType.ENDPOINT_READY,
)
"""Conditions that are never absent: Unknown, with the reason of Ready, where nothing else is known."""


def build_status(observed: Observed, assessment: Assessment, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status that is to be stored, complete: what is absent here is to be absent there.

    ``extra`` holds further top-level fields (lastFailure, recreations, recreateAfter); None removes one.
    """
    old = observed.environment.get("status") or {}
    status: dict[str, Any] = {key: old[key] for key in _KEPT if key in old}
    status["observedGeneration"] = observed.environment["metadata"].get("generation", 0)
    status["phase"] = assessment.phase.value
    status["conditions"] = _conditions(observed, old, assessment)
    if observed.pod is not None and _is_ours(observed, observed.pod):
        status |= _pod_fields(observed, observed.pod, old)
    for fields in STATUS:
        status |= fields(observed)
    status |= extra or {}
    return {key: value for key, value in status.items() if value is not None}


def surviving(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The old status with what of the new one must be stored before a pod is deleted; all else is told when it is."""
    rest = {key: value for key, value in old.items() if key not in _SURVIVING}
    kept = rest | {key: new[key] for key in _SURVIVING if key in new}
    # That it has expired, and by being idle, no pod shows either. A warning is stored with its Event.
    expired = (new.get("lifetime") or {}).get("expired")
    kept |= {"lifetime": new["lifetime"]} if expired else {}
    # Nor what became of workloads.
    return kept | {"workloads": new["workloads"]} if (new.get("workloads") or {}).get("result") else kept


def failure_fields(failure: Failure, observed: Observed, pod: pods.Pod) -> dict[str, Any]:
    """``lastFailure`` for a failure of ``pod``; what is recorded of the same failure already stays as it is."""
    old = (observed.environment.get("status") or {}).get("lastFailure") or {}
    # An end of a container is the time of this failure only if the failure is that end.
    ended_at = _ended_at(pod, failure.exit_code) if failure.exit_code is not None else None
    same = old.get("podUID") == pods.uid(pod) and old.get("reason") == failure.reason.value
    if same and ended_at in (None, old.get("time")):
        return dict(old)
    fields = {
        "reason": failure.reason.value,
        "message": clip(failure.message),
        "exitCode": failure.exit_code,
        "time": ended_at or format_time(observed.now),
        "podName": pod["metadata"]["name"],
        "podUID": pods.uid(pod),
        "nodeName": pods.node_name(pod),
        "nodeBootID": observed.node.info.get("bootID") if observed.node else None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _ended_at(pod: pods.Pod, code: int) -> str | None:
    """When the container that ended with this code did; None where no container did."""
    for name in (DAEMON_CONTAINER, INIT_CONTAINER):
        end = pods.last_end(pods.container_status(pod, name))
        if end.get("exitCode") == code and end.get("finishedAt"):
            return str(end["finishedAt"])
    return None


def _conditions(observed: Observed, old: dict[str, Any], assessment: Assessment) -> list[dict[str, Any]]:
    generation = observed.environment["metadata"].get("generation", 0)
    unknown = Condition.unknown(assessment.ready.reason, assessment.ready.message)
    wanted = {ConditionType.READY: assessment.ready} | {
        kind: assessment.conditions.get(kind, unknown) for kind in _ALWAYS
    }
    for kind, condition in CONDITIONS:
        found = condition(observed)
        if found is not None:
            wanted[kind] = found
    told = {kind: (part.status, part.reason, part.message) for kind, part in wanted.items()}
    return set_conditions(old, told, generation, observed.now)


def _is_ours(observed: Observed, pod: pods.Pod) -> bool:
    owner = pods.controller(pod)
    return owner is not None and owner.get("uid") == observed.environment["metadata"]["uid"]


def _pod_fields(observed: Observed, pod: pods.Pod, old: dict[str, Any]) -> dict[str, Any]:
    same_pod = old.get("podUID") == pods.uid(pod)
    kept = {key: old[key] for key in _OF_THE_POD if same_pod and key in old}
    restarts = pods.daemon(pod).get("restartCount")
    if restarts != old.get("restarts"):
        kept.pop("docker", None)  # said by a container that has ended: it is to be read anew
    images = {
        item["name"]: item.get("image") for item in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
    }
    found: dict[str, Any] = {
        **kept,
        "podName": pod["metadata"]["name"],
        "podUID": pods.uid(pod),
        "nodeName": pods.node_name(pod),
        "restarts": restarts if isinstance(restarts, int) else None,
        "daemonImage": images.get(DAEMON_CONTAINER),
        "nodeToolImage": images.get(INIT_CONTAINER),
        **({"node": _node(observed.node, pod)} if observed.node and observed.node.info else {}),
        **({"docker": observed.daemon.model_dump(exclude_none=True)} if observed.daemon else {}),
    }
    for fields in POD_STATUS:
        found |= fields(observed, pod)
    return found


def _node(node: NodeView, pod: pods.Pod) -> dict[str, str]:
    info = node.info
    fields = {
        key: info.get(key)
        for key in ("osImage", "kernelVersion", "containerRuntimeVersion", "kubeletVersion", "architecture")
    }
    report = pods.preflight(pod)
    if report is not None and report.apparmor is not None:
        fields["appArmor"] = report.apparmor.profile if report.apparmor.enabled else "Disabled"
    return {
        key: value if len(value) <= WORD_MAX_LENGTH else clip(value, WORD_MAX_LENGTH)
        for key, value in fields.items()
        if value
    }

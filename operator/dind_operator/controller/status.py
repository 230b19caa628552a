"""The complete status for an assessment. Transition times and the last failure are kept from the old status."""

from typing import Any

from dind_operator.api.conditions import ConditionType, format_time, set_conditions
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.status import WORD_MAX_LENGTH, clip
from dind_operator.controller.features import CONDITIONS, POD_STATUS, STATUS
from dind_operator.controller.progress_conditions import progress_conditions
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.observed import NodeView, Observed
from dind_operator.state.pod_failures import Failure

_KEPT = ("lastFailure", "recreations")
"""Fields about the environment, and not about its current pod."""
_SURVIVING = ("lastFailure", "recreations", "recreateAfter")
"""Fields that cannot be observed after the failed pod is deleted."""
_OF_THE_POD = ("docker", "node", "daemonImage", "nodeToolImage", "reserveMemory")
_ALWAYS = (
    ConditionType.POD_SCHEDULED,
    ConditionType.CGROUPS_MOUNTED,
    ConditionType.STORAGE_HEALTHY,
    ConditionType.DAEMON_READY,
    ConditionType.UP_TO_DATE,
    ConditionType.ENDPOINT_READY,
)
"""Conditions that are always present: Unknown with the reason of Ready, if there is no assessment."""


def build_status(observed: Observed, assessment: Assessment, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """The complete desired status: a field that is absent here is removed.

    ``extra`` holds further top-level fields (lastFailure, recreations, recreateAfter); None removes one.
    """
    old = observed.environment.get("status") or {}
    status: dict[str, Any] = {key: old[key] for key in _KEPT if key in old}
    status["observedGeneration"] = observed.environment["metadata"].get("generation", 0)
    status["phase"] = assessment.phase.value
    status["conditions"] = _conditions(observed, old, assessment)
    if observed.pod is not None and _controlled(observed, observed.pod):
        status |= _pod_fields(observed, observed.pod, old)
    for fields in STATUS:
        status |= fields(observed)
    status |= extra or {}
    return {key: value for key, value in status.items() if value is not None}


def surviving(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The old status with the fields of the new one that must be stored before the pod is deleted."""
    rest = {key: value for key, value in old.items() if key not in _SURVIVING}
    kept = rest | {key: new[key] for key in _SURVIVING if key in new}
    # An expiry by idle time cannot be observed without the pod either. A warning is stored with its Event.
    expired = (new.get("lifetime") or {}).get("expired")
    kept |= {"lifetime": new["lifetime"]} if expired else {}
    # Nor can the results of workloads.
    return kept | {"workloads": new["workloads"]} if (new.get("workloads") or {}).get("result") else kept


def failure_fields(failure: Failure, observed: Observed, pod: pods.Pod) -> dict[str, Any]:
    """``lastFailure`` for a failure of ``pod``. If the same failure is recorded already, it is not changed."""
    old = (observed.environment.get("status") or {}).get("lastFailure") or {}
    # The end of a container is the time of the failure only if the container exited.
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
    """When a container exited with this code; None if none did."""
    for name in (DAEMON_CONTAINER, INIT_CONTAINER):
        end = pods.last_end(pods.container_status(pod, name))
        if end.get("exitCode") == code and end.get("finishedAt"):
            return str(end["finishedAt"])
    return None


def _conditions(observed: Observed, old: dict[str, Any], assessment: Assessment) -> list[dict[str, Any]]:
    generation = observed.environment["metadata"].get("generation", 0)
    unknown = Condition.unknown(assessment.ready.reason, assessment.ready.message)
    conditions = {ConditionType.READY: assessment.ready} | {
        kind: assessment.conditions.get(kind, unknown) for kind in _ALWAYS
    }
    conditions |= progress_conditions(assessment)
    for kind, condition in CONDITIONS:
        found = condition(observed)
        if found is not None:
            conditions[kind] = found
    values = {kind: (condition.status, condition.reason, condition.message) for kind, condition in conditions.items()}
    return set_conditions(old, values, generation, observed.now)


def _controlled(observed: Observed, pod: pods.Pod) -> bool:
    owner = pods.controller(pod)
    return owner is not None and owner.get("uid") == observed.environment["metadata"]["uid"]


def _pod_fields(observed: Observed, pod: pods.Pod, old: dict[str, Any]) -> dict[str, Any]:
    same_pod = old.get("podUID") == pods.uid(pod)
    kept = {key: old[key] for key in _OF_THE_POD if same_pod and key in old}
    restarts = pods.daemon(pod).get("restartCount")
    if restarts != old.get("restarts"):
        kept.pop("docker", None)  # reported by a container that has exited
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

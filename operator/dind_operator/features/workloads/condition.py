"""The state of workloads, and whether their run is completed. Pure functions.

A run belongs to a spec, whose hash is in the pod and, with the result, in status. Therefore a completed run remains completed after
the pod is deleted or the operator restarts, and a new spec starts a new run.
"""

from dataclasses import replace
from posixpath import normpath
from typing import Any

from dind_operator.api.conditions import ConditionStatus, Reason, format_time
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import RestartPolicy
from dind_operator.api.status import Phase, clip
from dind_operator.api.workload_fields import WORKSPACE_PATH
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.pod.spec_hash import intent_hash
from dind_operator.pod.variables import INTENT_VARIABLE
from dind_operator.state import ownership
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition, blocked, waiting
from dind_operator.state.observed import Observed

Fields = dict[str, Any]

_UNKNOWN_END = "ContainerStatusUnknown"
"""The reason of the kubelet for a container whose termination it did not observe; the exit code is not valid."""
_CANNOT_START = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_NEVER_STARTED = "1970"
"""The year of the start time that a runtime reports for a container that it could not start."""
MAX_DETAIL = 400

_RESULTS: dict[str, Reason] = {
    reason.value: reason for reason in (Reason.WORKLOADS_SUCCEEDED, Reason.WORKLOADS_FAILED, Reason.WORKLOADS_LOST)
}


def fields(observed: Observed) -> Fields | None:
    """The desired ``status.workloads``, or None.

    A run that was stopped because the environment is suspended or expired is removed; the next pod starts a new run.
    """
    old = (observed.environment.get("status") or {}).get("workloads")
    requested = (observed.environment.get("spec") or {}).get("workloads")
    if old is None and requested is None and (observed.pod is None or not pods.workload_names(observed.pod)):
        return None
    found = _fields(observed)
    stopped = found is not None and not found.get("result") and lifetimes.stopped(observed)
    return None if stopped else found


def _fields(observed: Observed) -> Fields | None:
    old: Fields | None = (observed.environment.get("status") or {}).get("workloads")
    pod = observed.pod
    if pod is None or ownership.conflict(pod, observed.environment["metadata"]) is not None:
        return _without_pod(observed, old)
    if not pods.workload_names(pod):
        return None
    same = old is not None and old.get("podUID") == pods.uid(pod)
    if same and (old or {}).get("result"):
        return old
    if pods.terminating(pod):
        # A terminating pod does not complete its run.
        return old if same else None
    return _of_pod(observed, pod)


def completed(observed: Observed, environment: DindEnvironment) -> Fields | None:
    """The completed run of the current spec; None if there is none and a pod is needed."""
    found = fields(observed)
    requested = environment.spec.workloads
    if requested is None or found is None or not found.get("result"):
        return None
    return found if found.get("intent") == intent_hash(environment.spec) else None


def completed_in(observed: Observed, pod: pods.Pod) -> Fields | None:
    """The run of that pod if it is completed; None for any other pod."""
    found = fields(observed)
    matches = found is not None and found.get("result") and found.get("podUID") == pods.uid(pod)
    return found if matches else None


def reported_completed(environment: dict[str, Any], pod: pods.Pod) -> bool:
    """Whether the stored status already contains the result of this pod's workloads."""
    found: Fields = (environment.get("status") or {}).get("workloads") or {}
    return bool(found.get("result")) and found.get("podUID") == pods.uid(pod)


def may_be_lost(environment: dict[str, Any]) -> bool:
    """Whether the stored status reports running workloads. If their pod is not in the cache, it must be read from the API server."""
    found: Fields = (environment.get("status") or {}).get("workloads") or {}
    return bool(found) and not found.get("result")


def assessment(found: Fields) -> Assessment:
    """The assessment of an environment whose run is completed."""
    part = _result_part(found)
    if part.reason is Reason.WORKLOADS_SUCCEEDED:
        return waiting(Phase.SUCCEEDED, part.reason, part.message)
    return blocked(part.reason, part.message)


def status(observed: Observed) -> Fields:
    """``status.workloads``."""
    return {"workloads": fields(observed)}


def condition(observed: Observed) -> Condition | None:
    """The condition WorkloadsSucceeded; None for an environment without workloads."""
    found = fields(observed)
    if not ((observed.environment.get("spec") or {}).get("workloads") or found):
        return None
    if found is None:
        return Condition.unknown(
            Reason.WORKLOADS_PENDING, "The workloads start when the pod exists and its daemon responds."
        )
    if found.get("result"):
        part = _result_part(found)
        failed = part.reason is Reason.WORKLOADS_FAILED
        return (
            replace(part, message=part.message + unshared(observed.environment.get("spec") or {})) if failed else part
        )
    stuck = _stuck(observed.pod) if observed.pod is not None else None
    if stuck is not None:
        return stuck
    running = [item["name"] for item in found.get("containers", []) if item.get("startedAt")]
    if not running:
        return Condition.unknown(Reason.WORKLOADS_PENDING, "The workloads start when the daemon responds.")
    return Condition.unknown(
        Reason.WORKLOADS_RUNNING, _summary(found) + unshared(observed.environment.get("spec") or {})
    )


def unshared(spec: dict[str, Any]) -> str:
    """A sentence about files that `docker run -v` does not find although a workload probably works with them; empty without any.

    Docker makes a missing directory, so nested containers then see an empty one, and no program reports an error.
    """
    workloads = spec.get("workloads") or {}
    path = (workloads.get("workspace") or {}).get("path") or WORKSPACE_PATH
    for item in workloads.get("containers") or ():
        directory = normpath(item.get("workingDir") or path)
        if directory != path and not directory.startswith(f"{path}/"):
            return (
                f" The working directory {directory} of {item.get('name')} is outside of the workspace {path}: for its files, docker "
                "run -v mounts an empty directory. If nested containers need them, set spec.workloads.workspace.path to a directory "
                "that contains them."
            )
        for mount in item.get("volumeMounts") or ():
            place = normpath(mount.get("mountPath", ""))
            if place.startswith(f"{path}/"):
                return (
                    f" The volume {mount.get('name')} of {item.get('name')} at {place} hides a part of the workspace, which is not "
                    "shared with the daemon: for its files, docker run -v mounts an empty directory. If nested containers need "
                    "them, copy them into the workspace."
                )
    return ""


def _without_pod(observed: Observed, old: Fields | None) -> Fields | None:
    """The status of a run whose pod does not exist any more."""
    spec = observed.environment.get("spec") or {}
    if old is None or old.get("result"):
        return old if spec.get("workloads") else None
    policy = (spec.get("workloads") or {}).get("restartPolicy", RestartPolicy.NEVER)
    begun = any(item.get("startedAt") for item in old.get("containers", []))
    # A pod that was deleted because of another spec is not lost.
    if policy != RestartPolicy.NEVER or not begun or old.get("intent") != _present_intent(observed):
        return None
    return {**old, "result": Reason.WORKLOADS_LOST.value, "finishedAt": format_time(observed.now)}


def _present_intent(observed: Observed) -> str | None:
    try:
        return intent_hash(DindEnvironment.from_dict(observed.environment).spec)
    except InvalidEnvironment:
        return None


def _of_pod(observed: Observed, pod: pods.Pod) -> Fields:
    found: Fields = {
        "containers": [_container(name, pods.container_status(pod, name)) for name in pods.workload_names(pod)],
        "podUID": pods.uid(pod),
        "intent": pods.variable(pod, INTENT_VARIABLE),
    }
    result = _result(pod)
    if result is not None:
        ends = [item["finishedAt"] for item in found["containers"] if item.get("finishedAt")]
        known = ends if result is not Reason.WORKLOADS_LOST else []
        found |= {"result": result.value, "finishedAt": max(known, default=format_time(observed.now))}
    return found


def _container(name: str, status: dict[str, Any]) -> Fields:
    state = status.get("state") or {}
    end, running = state.get("terminated") or {}, state.get("running") or {}
    # Between two starts of a workload, report its last termination.
    end = end or ({} if running else (status.get("lastState") or {}).get("terminated") or {})
    started = running.get("startedAt") or end.get("startedAt")
    known = {
        "name": name,
        "startedAt": started if not str(started or "").startswith(_NEVER_STARTED) else None,
        "finishedAt": end.get("finishedAt"),
        "exitCode": end.get("exitCode"),
        "reason": pods.waiting(status).get("reason") or end.get("reason"),
        "restarts": status.get("restartCount") or None,
    }
    return {
        key: clip(value, 256) if isinstance(value, str) else value for key, value in known.items() if value is not None
    }


def _result(pod: pods.Pod) -> Reason | None:
    """The result of the run of a pod; None if it is not completed, or if the pod is replaced like any other failed pod."""
    policy = pod["spec"].get("restartPolicy")
    if not pods.ended(pod) or policy == RestartPolicy.ALWAYS:
        return None
    ends = [
        (pods.container_status(pod, name).get("state") or {}).get("terminated") for name in pods.workload_names(pod)
    ]
    known = all(end and end.get("reason") != _UNKNOWN_END for end in ends)
    if known and not pods.status_reason(pod) and not _disrupted(pod):
        return Reason.WORKLOADS_SUCCEEDED if pods.phase(pod) == "Succeeded" else Reason.WORKLOADS_FAILED
    return Reason.WORKLOADS_LOST if policy == RestartPolicy.NEVER and any(ends) else None


def _disrupted(pod: pods.Pod) -> bool:
    return pods.condition(pod, "DisruptionTarget").get("status") == "True"


def _result_part(found: Fields) -> Condition:
    reason = _RESULTS.get(str(found.get("result")), Reason.WORKLOADS_FAILED)
    again = "To run the workloads again, increase spec.workloads.run."
    if reason is Reason.WORKLOADS_SUCCEEDED:
        return Condition.true(reason, f"All workloads completed with exit code 0, and the daemon stopped. {again}")
    if reason is Reason.WORKLOADS_LOST:
        return Condition.false(
            reason,
            f"The pod was evicted, deleted or lost with its node before its workloads completed. With restartPolicy Never, workloads "
            f"run only once. {_summary(found)} {again} With restartPolicy OnFailure, the operator creates a new pod.",
        )
    return Condition.false(reason, f"A workload failed. {_summary(found)} Read its log with kubectl logs. {again}")


def _summary(found: Fields) -> str:
    return " ".join(_container_summary(item) for item in found.get("containers", []))


def _container_summary(item: Fields) -> str:
    if "exitCode" in item:
        return f"{item['name']} exited with code {item['exitCode']} ({item.get('reason', 'no reason')})."
    return f"{item['name']} has started." if item.get("startedAt") else f"{item['name']} has not started."


def _stuck(pod: pods.Pod) -> Condition | None:
    """The condition if the kubelet cannot create a workload's container."""
    for name in pods.workload_names(pod):
        waits = pods.waiting(pods.container_status(pod, name))
        if waits.get("reason") in _CANNOT_START:
            detail = str(waits.get("message") or waits["reason"])[:MAX_DETAIL]
            return Condition(
                ConditionStatus.FALSE,
                Reason.WORKLOAD_CANNOT_START,
                f"The kubelet cannot start the workload {name}: {detail}. Correct its image, or the Secret or ConfigMap that it "
                "refers to, in spec.workloads.containers, or correct spec.daemon.imagePullSecrets.",
            )
    return None

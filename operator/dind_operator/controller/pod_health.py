"""The assessment of a running pod. Pure functions.

Conditions must not alternate while a container repeatedly starts and fails: until a failed daemon is ready again, Ready keeps the
reason of its last failure.
"""

import re
from dataclasses import replace
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.status import Phase
from dind_operator.features.registry import condition as preload
from dind_operator.features.storage import condition as storage
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition, blocked, late, waiting
from dind_operator.state.node_reports import INOTIFY_NEEDED, CgroupReport, InotifyReport
from dind_operator.state.pod_failures import MAX_DETAIL, Failure, explained, failure_in, never_ran, not_started

_PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CREATE_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull)?:? ?')
"""The kubelet alternates between the error and "Back-off … : the error"."""
_CLAIM_PENDING = "waiting for ephemeral volume controller"
"""The scheduler reports this for every pod with an ephemeral volume, until a controller has created the claim."""
_CHECKED = {"Cgroups": ConditionType.CGROUPS_MOUNTED, "Storage": ConditionType.STORAGE_HEALTHY}
"""The condition for a failed check of the init container. Other checks are reported in Ready only."""
_AFTER_CGROUPS = ("Memory", "Storage", "Network", "Registry", "Install")
"""Checks that run after the cgroups are mounted and verified."""


def diagnose(pod: pods.Pod, *, answered_before: bool) -> Assessment:
    """The assessment of a pod that has not stopped and is not terminating.

    ``answered_before``: the daemon of this pod was ready before. Between the first success of the startup probe and that of the
    readiness probe, the kubelet reports a healthy daemon as started and not ready.
    """
    memory_limited = pods.memory_limited(pod) and "reserveBytes" in pods.node_config(pod)
    conditions = {
        ConditionType.POD_SCHEDULED: _scheduled(pod),
        **_preflight_conditions(pod, memory_limited=memory_limited),
    }
    if pods.node_name(pod) is None:
        return _unscheduled(conditions)
    assessment = _init_problem(pod) or _daemon_assessment(pod, answered_before=answered_before)
    daemon = assessment.conditions.get(ConditionType.DAEMON_READY) or replace(assessment.ready)
    return replace(assessment, conditions={**conditions, **assessment.conditions, ConditionType.DAEMON_READY: daemon})


def _scheduled(pod: pods.Pod) -> Condition:
    node = pods.node_name(pod)
    if node is not None:
        return Condition.true(Reason.SCHEDULED, f"The pod is assigned to the node {node}.")
    condition = pods.condition(pod, "PodScheduled")
    if condition.get("reason") == "Unschedulable" and _CLAIM_PENDING not in str(condition.get("message")):
        return Condition.false(
            Reason.UNSCHEDULABLE,
            f"The scheduler found no node for the pod: {str(condition.get('message'))[:MAX_DETAIL]} Change spec.scheduling"
            f"{', spec.storage' if pods.volume_kind(pod) == 'ephemeral' else ''} or spec.daemon.resources, or add a node"
            f"{' or a volume' if pods.volume_kind(pod) == 'ephemeral' else ''}.",
        )
    return Condition.unknown(Reason.POD_PENDING, "The pod waits for the scheduler.")


def _unscheduled(conditions: dict[ConditionType, Condition]) -> Assessment:
    scheduled = conditions[ConditionType.POD_SCHEDULED]
    warning = scheduled.reason == Reason.UNSCHEDULABLE
    return Assessment(Phase.PENDING, Condition.false(scheduled.reason, scheduled.message), conditions, warning=warning)


def _preflight_conditions(pod: pods.Pod, *, memory_limited: bool) -> dict[ConditionType, Condition]:
    report = pods.preflight(pod)
    if report is None:
        return {}
    conditions: dict[ConditionType, Condition] = {}
    failed = report.error.check if report.error is not None else ""
    if report.cgroup is not None and failed in ("", *_AFTER_CGROUPS):
        conditions[ConditionType.CGROUPS_MOUNTED] = _cgroups_condition(
            report.cgroup, report.mode, report.inotify, memory_limited=memory_limited
        )
    if report.storage is not None and failed in ("", "Network", "Registry", "Install"):
        conditions[ConditionType.STORAGE_HEALTHY] = storage.checked(report.storage)
    failure = failure_in(pod, INIT_CONTAINER) if failed else None
    kind = _CHECKED.get(failed)
    if failure is not None and kind is not None:
        conditions[kind] = Condition.false(failure.reason, failure.message)
    return conditions


def _cgroups_condition(
    report: CgroupReport, mode: str | None, inotify: InotifyReport | None, *, memory_limited: bool
) -> Condition:
    found = f"cgroup v{report.version} with {', '.join(sorted(report.controllers))}"
    # Reports of older node-tool images contain no mode.
    text = f"The cgroups are mounted and verified{f' (mode {mode})' if mode else ''}: {found}."
    if inotify is not None and inotify.free < INOTIFY_NEEDED:
        text += (
            f" When the pod started, {inotify.free} of the {inotify.limit} inotify instances that all pods of the node share were "
            "free, so programs that watch files can fail with the error 'too many open files'. Raise the sysctl "
            "fs.inotify.max_user_instances of the node, for example to 8192."
        )
        if memory_limited:
            return Condition.true(Reason.INOTIFY_INSTANCES_LOW, text)
    if memory_limited:
        return Condition.true(Reason.CGROUPS_MOUNTED, text)
    return Condition.true(
        Reason.NO_MEMORY_LIMIT,
        f"{text} The pod has no memory limit, so no memory is reserved for the daemon, and nested containers can use all memory "
        "of the node. Set spec.daemon.resources.limits.memory.",
    )


def _init_problem(pod: pods.Pod) -> Assessment | None:
    status = pods.container_status(pod, INIT_CONTAINER)
    if (status.get("state") or {}).get("terminated", {}).get("exitCode") == 0:
        return None
    problem = _cannot_start(pod, status, INIT_CONTAINER)
    if problem is not None:
        return problem
    failure = failure_in(pod, INIT_CONTAINER)
    if failure is not None:
        return blocked(failure.reason, failure.message)
    return waiting(Phase.STARTING, Reason.INITIALIZING, "The init container mount-cgroups is checking the node.")


def _daemon_assessment(pod: pods.Pod, *, answered_before: bool) -> Assessment:
    status = pods.daemon(pod)
    if status.get("ready"):
        if _unreachable(pod):
            return _node_lost(pod)
        ready = Condition.true(Reason.READY, "The Docker daemon responds to requests.")
        return Assessment(Phase.RUNNING, ready)
    problem = _cannot_start(pod, status, DAEMON_CONTAINER)
    if problem is not None:
        return problem
    failure = failure_in(pod, DAEMON_CONTAINER)
    if failure is not None and not status.get("started"):
        return _failing(status, failure)
    if status.get("started") and answered_before:
        return late()
    if preload.pulling(pod):
        pulling = Condition.true(
            Reason.PRELOADING_IMAGES, "dockerd responds to requests and pulls the images in spec.daemon.preload."
        )
        conditions = {ConditionType.DAEMON_READY: pulling}
        return waiting(Phase.STARTING, Reason.PRELOADING_IMAGES, pulling.message, conditions)
    return waiting(Phase.STARTING, Reason.DAEMON_STARTING, "dockerd is starting.")


def _unreachable(pod: pods.Pod) -> bool:
    """Whether the node does not respond: the node controller, and never the kubelet, reports ready containers in an unready pod.

    With workloads the daemon may be ready and another container not. Then ContainersReady is what the kubelet reported last.
    """
    unready = pods.condition(pod, "Ready").get("status") == "False"
    beside = pods.workload_names(pod) and pods.condition(pod, "ContainersReady").get("status") != "True"
    return unready and not beside


def _node_lost(pod: pods.Pod) -> Assessment:
    message = (
        f"The node {pods.node_name(pod)} does not respond. The containers of the pod may still run. Repair the node. To have the pod "
        "replaced, delete the node, or add the taint node.kubernetes.io/out-of-service to it."
    )
    return replace(waiting(Phase.RECOVERING, Reason.NODE_LOST, message), warning=True)


def _failing(status: dict[str, Any], failure: Failure) -> Assessment:
    if not pods.looping(status):
        return replace(waiting(Phase.RECOVERING, failure.reason, failure.message), warning=True)
    if failure.reason is Reason.DAEMON_FAILED:
        return blocked(Reason.DAEMON_CRASH_LOOP, f"The daemon fails repeatedly. {failure.message}")
    return blocked(failure.reason, failure.message)


def _cannot_start(pod: pods.Pod, status: dict[str, Any], container: str) -> Assessment | None:
    """The assessment if the kubelet cannot create the container."""
    waits = pods.waiting(status)
    detail = str(waits.get("message") or "")
    if waits.get("reason") in _PULL_REASONS:
        image = next(
            item["image"]
            for item in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
            if item["name"] == container
        )
        field = (
            "spec.daemon.image or spec.daemon.imagePullSecrets"
            if container == DAEMON_CONTAINER
            else "the images in the values of the chart"
        )
        return blocked(
            Reason.IMAGE_PULL_FAILED,
            f"The kubelet cannot pull the image {image} of the container {container}: {_BACK_OFF.sub('', detail)[:MAX_DETAIL]} "
            f"Correct {field}, or make the registry reachable from the node.",
        )
    # The kubelet alternates between such a reason and CrashLoopBackOff. The termination state is the same in both.
    failure = failure_in(pod, container) if never_ran(status) else None
    if failure is None and waits.get("reason") in _CREATE_REASONS:
        failure = explained(pod, not_started(container, detail), detail)
    running = "running" in (status.get("state") or {})
    return blocked(failure.reason, failure.message) if failure is not None and not running else None

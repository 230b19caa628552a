"""What a living pod of ours says about its environment. Pure: the same pod gives the same words.

Words must not flicker while a container alternates between starting and failing: as long as a daemon that failed is not
ready again, Ready keeps the reason of its last failure.
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
from dind_operator.state.node_reports import CgroupReport
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
"""The kubelet alternates between the error and "Back-off … : the error": what follows is the same."""
_CLAIM_TO_COME = "waiting for ephemeral volume controller"
"""What the scheduler says for a moment of every pod with a claim, which a controller makes after the pod."""
_CHECKED = {"Cgroups": ConditionType.CGROUPS_MOUNTED, "Storage": ConditionType.STORAGE_HEALTHY}
"""The condition that a check of the preflight is about; one of memory or of the installation is Ready's alone."""
_AFTER_CGROUPS = ("Memory", "Storage", "Network", "Registry", "Install")
"""Checks that run when the cgroups are mounted and proved."""


def diagnose(pod: pods.Pod, *, answered_before: bool) -> Assessment:
    """The verdict on a pod of ours that is neither over nor being deleted.

    ``answered_before``: this pod's daemon has been ready. Between the first success of the startup probe and that of the
    readiness probe the kubelet says "started, not ready" of a daemon that is perfectly well.
    """
    memory_limited = pods.memory_limited(pod) and pods.variable(pod, "DIND_RESERVE_BYTES") is not None
    conditions = {ConditionType.POD_SCHEDULED: _scheduled(pod), **_preflight_parts(pod, memory_limited=memory_limited)}
    if pods.node_name(pod) is None:
        return _unscheduled(conditions)
    assessment = _init_trouble(pod) or _daemon_verdict(pod, answered_before=answered_before)
    daemon = assessment.conditions.get(ConditionType.DAEMON_READY) or replace(assessment.ready)
    return replace(assessment, conditions={**conditions, **assessment.conditions, ConditionType.DAEMON_READY: daemon})


def _scheduled(pod: pods.Pod) -> Condition:
    node = pods.node_name(pod)
    if node is not None:
        return Condition.true(Reason.SCHEDULED, f"The pod is assigned to the node {node}.")
    condition = pods.condition(pod, "PodScheduled")
    if condition.get("reason") == "Unschedulable" and _CLAIM_TO_COME not in str(condition.get("message")):
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


def _preflight_parts(pod: pods.Pod, *, memory_limited: bool) -> dict[ConditionType, Condition]:
    report = pods.preflight(pod)
    if report is None:
        return {}
    conditions: dict[ConditionType, Condition] = {}
    failed = report.error.check if report.error is not None else ""
    if report.cgroup is not None and failed in ("", *_AFTER_CGROUPS):
        conditions[ConditionType.CGROUPS_MOUNTED] = _cgroups_part(
            report.cgroup, report.mode, memory_limited=memory_limited
        )
    if report.storage is not None and failed in ("", "Network", "Registry", "Install"):
        conditions[ConditionType.STORAGE_HEALTHY] = storage.checked(report.storage)
    failure = failure_in(pod, INIT_CONTAINER) if failed else None
    kind = _CHECKED.get(failed)
    if failure is not None and kind is not None:
        conditions[kind] = Condition.false(failure.reason, failure.message)
    return conditions


def _cgroups_part(report: CgroupReport, mode: str | None, *, memory_limited: bool) -> Condition:
    found = f"cgroup v{report.version} with {', '.join(sorted(report.controllers))}"
    # A report of a tool from before there were modes names none.
    proved = f"The cgroups are mounted and verified{f' (mode {mode})' if mode else ''}: {found}."
    if memory_limited:
        return Condition.true(Reason.CGROUPS_MOUNTED, proved)
    return Condition.true(
        Reason.NO_MEMORY_LIMIT,
        f"{proved} The pod has no memory limit, so no memory is reserved for the daemon, and nested containers can use all memory "
        "of the node. Set spec.daemon.resources.limits.memory.",
    )


def _init_trouble(pod: pods.Pod) -> Assessment | None:
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


def _daemon_verdict(pod: pods.Pod, *, answered_before: bool) -> Assessment:
    status = pods.daemon(pod)
    if status.get("ready"):
        if _written_off(pod):
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
        answers = Condition.true(
            Reason.PRELOADING_IMAGES, "dockerd responds to requests and pulls the images in spec.daemon.preload."
        )
        conditions = {ConditionType.DAEMON_READY: answers}
        return waiting(Phase.STARTING, Reason.PRELOADING_IMAGES, answers.message, conditions)
    return waiting(Phase.STARTING, Reason.DAEMON_STARTING, "dockerd is starting.")


def _written_off(pod: pods.Pod) -> bool:
    """A kubelet never says that ready containers are in an unready pod: others said it for a kubelet that is silent.

    With workloads the daemon may be ready and another container not; then only ContainersReady says what the kubelet saw last.
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
    """The kubelet cannot make the container at all."""
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
    # The kubelet alternates between such a reason and CrashLoopBackOff: the end that the runtime wrote is the same in both.
    failure = failure_in(pod, container) if never_ran(status) else None
    if failure is None and waits.get("reason") in _CREATE_REASONS:
        failure = explained(pod, not_started(container, detail), detail)
    running = "running" in (status.get("state") or {})
    return blocked(failure.reason, failure.message) if failure is not None and not running else None

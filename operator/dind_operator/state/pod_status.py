"""Reading a pod's status without tripping over what is not there yet."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dind_operator.api import names
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.state.node_reports import PreflightReport, preflight_report

Pod = dict[str, Any]


def uid(pod: Pod) -> str:
    """The pod's uid."""
    return str(pod["metadata"]["uid"])


def watched(pod: Pod) -> bool:
    """It carries the label by which pods are watched and listed."""
    labels = pod["metadata"].get("labels") or {}
    return bool(labels.get(names.LABEL_MANAGED_BY) == names.LABEL_MANAGED_BY_VALUE)


def terminating(pod: Pod) -> bool:
    """Somebody deleted the pod; it is on its way out."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Pod) -> str:
    """The pod's phase; Pending before anyone wrote it."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def ended(pod: Pod) -> bool:
    """The pod as a whole is over. The kubelet never starts it again: it must be replaced."""
    return phase(pod) in ("Failed", "Succeeded")


def status_reason(pod: Pod) -> str:
    """Why the kubelet ended or refused the pod: Evicted, OutOfcpu, AppArmor, …; empty if it did not."""
    reason = str(pod.get("status", {}).get("reason") or "")
    return "Evicted" if not reason and _evicted(pod) else reason


def status_message(pod: Pod) -> str:
    """The kubelet's or a controller's sentence about the pod, bounded."""
    return str(pod.get("status", {}).get("message") or _disruption(pod))[:500]


def _disruption(pod: Pod) -> str:
    """The kubelet's sentence in a condition of its own, which stays when its reason does not."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "DisruptionTarget" and condition.get("reason") == "TerminationByKubelet":
            return str(condition.get("message") or "")
    return ""


def _evicted(pod: Pod) -> bool:
    """Whether the kubelet evicted a pod without saying so.

    dockerd obeys and exits with 0, so the pod is Succeeded and `status.reason` is empty (seen with Kubernetes 1.34). With
    `restartPolicy: Always` no pod succeeds by itself. The kubelet ends one for an eviction, for the node's shutdown, or for
    a critical pod; for the last two it always leaves its sentence, for a sizeLimit that was exceeded it leaves none.
    """
    if pod["spec"].get("restartPolicy", "Always") != "Always":
        return False
    sentence = _disruption(pod)
    return phase(pod) == "Succeeded" and "shutdown" not in sentence and "preempted" not in sentence


def same_start(status: dict[str, Any], pod: Pod) -> bool:
    """Whether an environment's status speaks of the present start of the pod's daemon."""
    return status.get("podUID") == uid(pod) and status.get("restarts") == daemon(pod).get("restartCount")


def docker_volume(pod: Pod) -> dict[str, Any]:
    """The volume at /var/lib/docker, {} if there is none."""
    volumes = pod["spec"].get("volumes") or []
    return next((volume for volume in volumes if volume.get("name") == names.VOLUME_DOCKER_DATA), {})


def volume_kind(pod: Pod) -> str:
    """What the docker volume is made of: emptyDir, ephemeral or hostPath; empty if there is none."""
    volume = docker_volume(pod)
    return next((kind for kind in ("emptyDir", "ephemeral", "hostPath") if kind in volume), "")


def node_name(pod: Pod) -> str | None:
    """The node it was given, if any."""
    name: str | None = pod.get("spec", {}).get("nodeName")
    return name


def controller(pod: Pod) -> dict[str, Any] | None:
    """The owner reference that controls it, if any."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return None


def owner_name(pod: Pod) -> str | None:
    """The name of the DindEnvironment that controls it; None for anybody else's pod."""
    owner = controller(pod)
    if (
        owner is None
        or owner.get("kind") != names.KIND
        or not str(owner.get("apiVersion")).startswith(names.GROUP + "/")
    ):
        return None
    return str(owner.get("name"))


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a pod, or of an environment, {} if absent."""
    for item in found.get("status", {}).get("conditions") or []:
        if item.get("type") == kind:
            return dict(item)
    return {}


def is_ready(pod: Pod) -> bool:
    """The readiness of the whole pod, as Services see it."""
    return condition(pod, "Ready").get("status") == "True"


def container_status(pod: Pod, name: str) -> dict[str, Any]:
    """The status of a container, init containers included; {} before the kubelet wrote one."""
    status = pod.get("status", {})
    for item in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        if item.get("name") == name:
            return dict(item)
    return {}


def daemon_container(pod: Pod) -> dict[str, Any]:
    """The daemon's container as the pod was made, {} without one: beside workloads it is a sidecar among the first."""
    for container in [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]:
        if container.get("name") == DAEMON_CONTAINER:
            return dict(container)
    return {}


def workload_names(pod: Pod) -> list[str]:
    """The containers beside the daemon, as the pod was made."""
    found = [str(container.get("name")) for container in pod["spec"].get("containers") or []]
    return [] if DAEMON_CONTAINER in found else found


daemon = partial(container_status, name=DAEMON_CONTAINER)
"""Status of the daemon's container."""


def last_end(status: dict[str, Any]) -> dict[str, Any]:
    """How a container ended last: its current end, else the one before its restart; {} if it never did."""
    for state in ("state", "lastState"):
        terminated = (status.get(state) or {}).get("terminated")
        if terminated:
            return dict(terminated)
    return {}


def waiting(status: dict[str, Any]) -> dict[str, Any]:
    """Why a container waits; {} if it does not."""
    return (status.get("state") or {}).get("waiting") or {}


def looping(status: dict[str, Any]) -> bool:
    """The container ends again and again; the kubelet waits before it starts it anew, or has just begun to."""
    restarts = status.get("restartCount")
    again = isinstance(restarts, int) and restarts > 1 and not status.get("started")
    return again or waiting(status).get("reason") == "CrashLoopBackOff"


def preflight(pod: Pod) -> PreflightReport | None:
    """The report of the newest finished run of mount-cgroups."""
    return preflight_report(last_end(container_status(pod, INIT_CONTAINER)).get("message"))


def memory_limited(pod: Pod) -> bool:
    """The containers have a memory limit, of the spec's or of a LimitRange, as mount-cgroups has found it."""
    report = preflight(pod)
    return report is not None and report.memory is not None and report.memory.limitBytes is not None


def variable(pod: Pod, name: str) -> str | None:
    """A variable of the daemon's container as the pod was made."""
    # Written out: it is asked for more often than anything else.
    for container in [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]:
        if container.get("name") != DAEMON_CONTAINER:
            continue
        for item in container.get("env") or []:
            if item.get("name") == name:
                value: str | None = item.get("value")
                return value
    return None


def ran_for(pod: Pod, now: datetime) -> timedelta | None:
    """How long the daemon's container has been running, or had when it ended; None if it never ran or nobody knows."""
    status = daemon(pod)
    running = (status.get("state") or {}).get("running") or {}
    if running.get("startedAt"):
        return now - datetime.fromisoformat(running["startedAt"])
    end = last_end(status)
    started, finished = end.get("startedAt"), end.get("finishedAt")
    if not started or not finished:
        return None
    return datetime.fromisoformat(finished) - datetime.fromisoformat(started)

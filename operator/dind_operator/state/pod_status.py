"""Access to the status of a pod, in which fields may be absent."""

import json
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from dind_operator.api import names
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.pod.node_config import CONFIG_VARIABLE
from dind_operator.state.node_reports import PreflightReport, preflight_report

Pod = dict[str, Any]


def uid(pod: Pod) -> str:
    """The pod's uid."""
    return str(pod["metadata"]["uid"])


def watched(pod: Pod) -> bool:
    """Whether the pod has the label by which pods are watched and listed."""
    labels = pod["metadata"].get("labels") or {}
    return bool(labels.get(names.LABEL_MANAGED_BY) == names.LABEL_MANAGED_BY_VALUE)


def terminating(pod: Pod) -> bool:
    """Whether the pod is terminating."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Pod) -> str:
    """The phase of the pod; Pending if absent."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def ended(pod: Pod) -> bool:
    """Whether the pod stopped. The kubelet does not restart it, so it must be replaced."""
    return phase(pod) in ("Failed", "Succeeded")


def status_reason(pod: Pod) -> str:
    """Why the kubelet stopped or rejected the pod: Evicted, OutOfcpu, AppArmor, …; empty if it did not."""
    reason = str(pod.get("status", {}).get("reason") or "")
    return "Evicted" if not reason and _evicted(pod) else reason


def status_message(pod: Pod) -> str:
    """The message of the kubelet or a controller about the pod, truncated."""
    return str(pod.get("status", {}).get("message") or _disruption(pod))[:500]


def _disruption(pod: Pod) -> str:
    """The message of the kubelet in the condition DisruptionTarget, which is kept if the reason of the pod is not."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "DisruptionTarget" and condition.get("reason") == "TerminationByKubelet":
            return str(condition.get("message") or "")
    return ""


def _evicted(pod: Pod) -> bool:
    """Whether the kubelet evicted a pod without reporting it.

    dockerd exits with code 0 on SIGTERM, so the pod is Succeeded and `status.reason` is empty (observed with Kubernetes 1.34). With
    `restartPolicy: Always` no pod succeeds without the kubelet. The kubelet stops a pod for an eviction, for a shutdown of the node
    or for a critical pod. For the last two it always reports a message; for an exceeded sizeLimit it reports none.
    """
    if pod["spec"].get("restartPolicy", "Always") != "Always":
        return False
    sentence = _disruption(pod)
    return phase(pod) == "Succeeded" and "shutdown" not in sentence and "preempted" not in sentence


def same_start(status: dict[str, Any], pod: Pod) -> bool:
    """Whether the status of an environment is about the current start of the daemon."""
    return status.get("podUID") == uid(pod) and status.get("restarts") == daemon(pod).get("restartCount")


def docker_volume(pod: Pod) -> dict[str, Any]:
    """The volume at /var/lib/docker, {} if there is none."""
    volumes = pod["spec"].get("volumes") or []
    return next((volume for volume in volumes if volume.get("name") == names.VOLUME_DOCKER_DATA), {})


def volume_kind(pod: Pod) -> str:
    """The kind of the volume at /var/lib/docker: emptyDir, ephemeral or hostPath; empty without one."""
    volume = docker_volume(pod)
    return next((kind for kind in ("emptyDir", "ephemeral", "hostPath") if kind in volume), "")


def node_name(pod: Pod) -> str | None:
    """The node of the pod, if it is scheduled."""
    name: str | None = pod.get("spec", {}).get("nodeName")
    return name


def controller(pod: Pod) -> dict[str, Any] | None:
    """The owner reference of the controller, if any."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return None


def subdomain(pod: Pod) -> str | None:
    """The domain of the pod's host name in its namespace; None for a pod of an older operator."""
    found: str | None = pod["spec"].get("subdomain")
    return found


def owner_name(pod: Pod) -> str | None:
    """The name of the DindEnvironment that controls the pod; None for another owner."""
    owner = controller(pod)
    if (
        owner is None
        or owner.get("kind") != names.KIND
        or not str(owner.get("apiVersion")).startswith(names.GROUP + "/")
    ):
        return None
    return str(owner.get("name"))


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a pod or an environment, {} if absent."""
    for item in found.get("status", {}).get("conditions") or []:
        if item.get("type") == kind:
            return dict(item)
    return {}


def is_ready(pod: Pod) -> bool:
    """The readiness of the whole pod, as Services see it."""
    return condition(pod, "Ready").get("status") == "True"


def container_status(pod: Pod, name: str) -> dict[str, Any]:
    """The status of a container or init container; {} if absent."""
    status = pod.get("status", {})
    for item in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        if item.get("name") == name:
            return dict(item)
    return {}


def daemon_container(pod: Pod) -> dict[str, Any]:
    """The container of the daemon in the spec of the pod, {} without one. With workloads it is a sidecar container."""
    for container in [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]:
        if container.get("name") == DAEMON_CONTAINER:
            return dict(container)
    return {}


def workload_names(pod: Pod) -> list[str]:
    """The names of the workloads in the spec of the pod."""
    found = [str(container.get("name")) for container in pod["spec"].get("containers") or []]
    return [] if DAEMON_CONTAINER in found else found


daemon = partial(container_status, name=DAEMON_CONTAINER)
"""Status of the daemon's container."""


def last_end(status: dict[str, Any]) -> dict[str, Any]:
    """The last termination state of a container: the current one, else the one before its restart; {} without one."""
    for state in ("state", "lastState"):
        terminated = (status.get(state) or {}).get("terminated")
        if terminated:
            return dict(terminated)
    return {}


def waiting(status: dict[str, Any]) -> dict[str, Any]:
    """Why a container waits; {} if it does not."""
    return (status.get("state") or {}).get("waiting") or {}


def looping(status: dict[str, Any]) -> bool:
    """Whether the container exits repeatedly."""
    restarts = status.get("restartCount")
    again = isinstance(restarts, int) and restarts > 1 and not status.get("started")
    return again or waiting(status).get("reason") == "CrashLoopBackOff"


def preflight(pod: Pod) -> PreflightReport | None:
    """The report of the last completed run of mount-cgroups."""
    return preflight_report(last_end(container_status(pod, INIT_CONTAINER)).get("message"))


def memory_limited(pod: Pod) -> bool:
    """Whether the containers have a memory limit, from the spec or a LimitRange, according to mount-cgroups."""
    report = preflight(pod)
    return report is not None and report.memory is not None and report.memory.limitBytes is not None


def variable(pod: Pod, name: str) -> str | None:
    """An environment variable of the daemon in the spec of the pod."""
    # Without helper functions, because this function is called most often.
    for container in [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]:
        if container.get("name") != DAEMON_CONTAINER:
            continue
        for item in container.get("env") or []:
            if item.get("name") == name:
                value: str | None = item.get("value")
                return value
    return None


def node_config(pod: Pod) -> dict[str, Any]:
    """The configuration of dind-node in the daemon's container, which must not be modified; empty for other pods."""
    return _parsed(variable(pod, CONFIG_VARIABLE) or "{}")


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text.replace("$$", "$"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def ran_for(pod: Pod, now: datetime) -> timedelta | None:
    """How long the container of the daemon has been running, or ran until it exited; None if unknown."""
    status = daemon(pod)
    running = (status.get("state") or {}).get("running") or {}
    if running.get("startedAt"):
        return now - datetime.fromisoformat(running["startedAt"])
    end = last_end(status)
    started, finished = end.get("startedAt"), end.get("finishedAt")
    if not started or not finished:
        return None
    return datetime.fromisoformat(finished) - datetime.fromisoformat(started)

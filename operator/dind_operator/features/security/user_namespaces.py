"""Detects a node that cannot create the sandbox of a pod in a user namespace.

The kubelet reports a failed sandbox only as an Event, which the operator is not permitted to read, and the pod remains Pending. But
kubelets from 1.31 list the handlers of the container runtime and their features in the status of the node.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.names import INIT_CONTAINER
from dind_operator.api.timestamps import parse_time
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, blocked
from dind_operator.state.observed import NodeView, Observed

PATIENCE = timedelta(seconds=30)
"""A sandbox usually takes less than a second, and several seconds on a busy node."""
REMEDY = (
    "The mode UserNamespace needs Linux 6.3 or later, runc 1.2 or later, and containerd 2.1 or later (or an equivalent runtime) with "
    "a handler that has cgroup_writable = true. Add the handler on the node, set spec.security.runtimeClassName to the RuntimeClass "
    "of another handler, or choose other nodes with spec.scheduling."
)


def waits(pod: pods.Pod) -> bool:
    """Whether a pod in a user namespace is scheduled, but has no sandbox yet."""
    return (
        pod["spec"].get("hostUsers") is False
        and pods.node_name(pod) is not None
        and pods.condition(pod, "PodReadyToStartContainers").get("status") == "False"
        and not _begun(pod)
    )


def assess(assessment: Assessment, observed: Observed, pod: pods.Pod) -> Assessment:
    """The assessment, with the reason why the node cannot create the sandbox of the pod, if it is known."""
    problem = _problem(pod, observed.node, observed.now) if waits(pod) else None
    if problem is None:
        return assessment
    conditions = {**assessment.conditions, ConditionType.DAEMON_READY: problem.ready}
    return replace(assessment, phase=problem.phase, ready=problem.ready, warning=True, conditions=conditions)


def _begun(pod: pods.Pod) -> bool:
    status = pods.container_status(pod, INIT_CONTAINER)
    return bool(pods.last_end(status)) or "running" in (status.get("state") or {})


def _problem(pod: pods.Pod, node: NodeView | None, now: datetime) -> Assessment | None:
    if node is None or node.gone:
        return None
    handlers = node.runtime_handlers
    if handlers and not any(handlers.values()):
        return _blocked(f"The container runtime of the node {node.name} does not support user namespaces.")
    since = parse_time(pods.condition(pod, "PodReadyToStartContainers").get("lastTransitionTime"))
    if since is None or now - since < PATIENCE:
        return None
    name = pod["spec"].get("runtimeClassName")
    if name in handlers:
        return None
    known = f" (its handlers: {', '.join(sorted(filter(None, handlers)))})" if any(handlers) else ""
    return _blocked(
        f"The node {node.name} cannot create the sandbox of the pod. Its container runtime probably has no handler for the "
        f"RuntimeClass {name}{known}. The Events of the pod contain the error of the runtime."
    )


def _blocked(what: str) -> Assessment:
    return blocked(Reason.RUNTIME_HANDLER_MISSING, f"{what} {REMEDY}")

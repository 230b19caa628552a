"""Detection of clusters without sidecar containers, which workloads need.

Versions are not compared. An API server without sidecar containers drops their `restartPolicy` and then rejects the probes of an
ordinary init container. A kubelet without sidecar containers rejects the pod with a specific reason.
"""

import re

REFUSED_BY_KUBELET = "InitContainerRestartPolicyForbidden"
"""See pkg/kubelet/lifecycle/predicate.go of Kubernetes."""
_PROBE = re.compile(r"spec\.initContainers\[1\]\.(lifecycle|livenessProbe|readinessProbe|startupProbe)\b")
"""The daemon is the second init container and always has probes."""


def refused_by_server(message: str) -> bool:
    """Whether the message is that of an API server without sidecar containers."""
    return _PROBE.search(message) is not None


def unsupported(who: str) -> str:
    """The message of the condition."""
    return (
        f"{who} is older than Kubernetes 1.29 and does not support sidecar containers, which spec.workloads needs. Select newer "
        "nodes with spec.scheduling, upgrade the cluster, or remove spec.workloads and use the endpoint."
    )

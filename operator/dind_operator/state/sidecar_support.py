"""Clusters that are too old for workloads: how the API server and the kubelet show it, and what is said of it.

Nobody's version is asked: a server that has no native sidecars drops their `restartPolicy`, and then refuses the probes of what is
an ordinary init container to it. A kubelet that has none refuses the pod by name.
"""

import re

REFUSED_BY_KUBELET = "InitContainerRestartPolicyForbidden"
"""Read: pkg/kubelet/lifecycle/predicate.go."""
_PROBE = re.compile(r"spec\.initContainers\[1\]\.(lifecycle|livenessProbe|readinessProbe|startupProbe)\b")
"""The daemon comes second among the init containers, and always has probes."""


def refused_by_server(message: str) -> bool:
    """Whether the sentence of a server is that of one without native sidecars."""
    return _PROBE.search(message) is not None


def unsupported(who: str) -> str:
    """The sentence for a condition."""
    return (
        f"{who} is older than Kubernetes 1.29 and does not support sidecar containers, which spec.workloads needs. Select newer "
        "nodes with spec.scheduling, upgrade the cluster, or remove spec.workloads and use the endpoint."
    )

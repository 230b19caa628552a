"""Every condition type, with its meaning."""

from __future__ import annotations

from .documented import Documented


class ConditionType(Documented):
    """Types of conditions."""

    READY = (
        "Ready",
        "The Docker daemon responds and can be used. False with the reason Suspended if the environment is suspended, with "
        "TTLExpired or IdleTimeoutExceeded if it has expired, and with WorkloadsSucceeded, WorkloadsFailed or WorkloadsLost if its "
        "workloads have completed and the daemon has stopped. Wait for this condition to use the environment.",
    )
    POD_SCHEDULED = "PodScheduled", "The pod is assigned to a node."
    CGROUPS_MOUNTED = (
        "CgroupsMounted",
        "The init container mounted the cgroup hierarchy, and a child cgroup with limits worked.",
    )
    STORAGE_HEALTHY = (
        "StorageHealthy",
        "The volume at /var/lib/docker supports overlay file systems and has free space.",
    )
    NETWORK_READY = (
        "NetworkReady",
        "The nested networks have no address conflicts with the network of the pod, and their MTU fits the interface of the pod. "
        "Absent if the pod was created by an older node-tool image.",
    )
    DAEMON_READY = "DaemonReady", "dockerd responds to `/_ping` on its socket."
    ENDPOINT_READY = (
        "EndpointReady",
        "The daemon listens on port 2376 with the certificate that matches the client Secret, and has a Service and "
        "NetworkPolicies. False with the reason EndpointDisabled if `spec.endpoint.enabled` is false.",
    )
    ISOLATION_VERIFIED = (
        "IsolationVerified",
        "A container that was started through the Docker API runs in a cgroup below the cgroup of the pod, so the limits of the pod "
        "apply to it. Absent until this is known, and always absent if the operator may not read pod logs.",
    )
    DISRUPTION_PROTECTED = (
        "DisruptionProtected",
        "The PodDisruptionBudget for `spec.disruptionPolicy: Protect` exists. Absent with any other policy.",
    )
    ACTIVITY_KNOWN = (
        "ActivityKnown",
        "The operator knows whether the environment is in use, so `spec.lifetime.idleTimeout` works. Absent without an idle timeout.",
    )
    WORKLOADS_SUCCEEDED = (
        "WorkloadsSucceeded",
        "All workloads completed with exit code 0. Unknown while they wait or run, False if one failed or cannot start. Absent "
        "without `spec.workloads`.",
    )
    IMAGES_PRELOADED = (
        "ImagesPreloaded",
        "All images in `spec.daemon.preload` are present. Until then, the message reports the progress. Absent without images to "
        "preload.",
    )
    RECONCILING = (
        "Reconciling",
        "The operator is starting, repairing or suspending the pod. Present only while it is True, with the reason of Ready.",
    )
    STALLED = (
        "Stalled",
        "The spec cannot be applied until somebody changes something: the environment is Failed, or a running pod of an older spec "
        "is kept. Present only while it is True.",
    )
    FINISHED = (
        "Finished",
        "The workloads have completed, successfully or not. Present only while it is True. WorkloadsSucceeded contains the result.",
    )
    UP_TO_DATE = "UpToDate", "The pod matches the current spec and the current version of the operator."

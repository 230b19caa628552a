"""Every condition, with what it says."""

from __future__ import annotations

from .documented import Documented


class ConditionType(Documented):
    """What a condition is about."""

    READY = (
        "Ready",
        (
            "The nested daemon answers and can be used. False with reason Suspended when the environment is suspended, "
            "as was asked for, with TimeToLiveOver or IdleTooLong when it has expired, and with WorkloadsSucceeded, WorkloadsFailed "
            "or WorkloadsLost when its workloads have ended and the daemon with them. This is the one to wait for."
        ),
    )
    POD_SCHEDULED = "PodScheduled", "The pod was placed on a node."
    CGROUPS_MOUNTED = (
        "CgroupsMounted",
        ("The pod's check mounted the cgroup hierarchy for real and a child group with limits worked."),
    )
    STORAGE_HEALTHY = (
        "StorageHealthy",
        ("The volume at /var/lib/docker carries Docker's layers without copying them, and has room."),
    )
    NETWORK_CLEAR = (
        "NetworkClear",
        (
            "The ranges of the nested networks hold no address that is in use around the pod, and their packets fit through "
            "the pod's interface. Absent in pods of an older node tool."
        ),
    )
    DAEMON_READY = "DaemonReady", "dockerd answers `/_ping` on its socket."
    ENDPOINT_READY = (
        "EndpointReady",
        (
            "The daemon listens on port 2376 with the certificate that the client Secret belongs to, and Service and "
            "NetworkPolicy are there. False with reason EndpointDisabled when `spec.endpoint.enabled` is false."
        ),
    )
    ISOLATION_VERIFIED = (
        "IsolationVerified",
        (
            "A container that was started through the Docker API is in a cgroup below the pod's, so the pod's limits hold it. "
            "Absent where that was not found out; without the permission to read pod logs it never is."
        ),
    )
    DISRUPTION_PROTECTED = (
        "DisruptionProtected",
        (
            "The PodDisruptionBudget that `spec.disruptionPolicy: Protect` asks for is in place. Absent where none is asked for."
        ),
    )
    ACTIVITY_KNOWN = (
        "ActivityKnown",
        (
            "Whether the environment is used is known, so that `spec.lifetime.idleTimeout` can work. Absent without an "
            "idle timeout."
        ),
    )
    WORKLOADS_SUCCEEDED = (
        "WorkloadsSucceeded",
        (
            "All workloads have ended with exit code 0. Unknown while they wait or run, False when one has failed or cannot start. "
            "Absent without `spec.workloads`."
        ),
    )
    IMAGES_PRELOADED = (
        "ImagesPreloaded",
        (
            "The images of `spec.daemon.preload` are there; until they are, how far it is. Absent where none is asked for."
        ),
    )
    UP_TO_DATE = "UpToDate", "The pod is made from the present spec by the present operator."

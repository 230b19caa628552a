"""The model of `status`. Only the operator writes it.

Values from a node or a daemon are truncated by `clip`, so that the API server does not reject the status.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from .cel_rules import NO_DEFAULT
from .model import ApiModel
from .quantity import Quantity

# The maximum length of a message in status.
MESSAGE_MAX_LENGTH: Final = 4096
WORD_MAX_LENGTH: Final = 256

# The time of conditions that are not observed yet: the Unix epoch, so that it is not mistaken for a transition.
NEVER: Final = "1970-01-01T00:00:00Z"
INITIAL_CONDITIONS: Final = [
    {
        "type": "Ready",
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for the operator",
        "lastTransitionTime": NEVER,
    }
]

# The largest integer that JSON parsers keep exactly, because they use doubles.
GENERATION_MAX: Final = 2**53 - 1

Word = Annotated[str, StringConstraints(max_length=WORD_MAX_LENGTH)]
Time = Annotated[str, StringConstraints(max_length=40), Field(json_schema_extra={"format": "date-time"})]


class Phase(StrEnum):
    """Summary of the state in one word, for people. Programs should read `conditions`."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    SUSPENDING = "Suspending"
    SUSPENDED = "Suspended"
    RECOVERING = "Recovering"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATING = "Terminating"


class ConditionStatus(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """Condition as in other Kubernetes APIs."""

    type: str = Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$", description="Type of the condition.")
    status: ConditionStatus = Field(description="Status of the condition: True, False or Unknown.")
    reason: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Z][A-Za-z]*$",
        description="Reason for the status, as one of the documented words in CamelCase.",
    )
    message: str = Field(
        max_length=MESSAGE_MAX_LENGTH, description="Message for people: what is wrong, where, and what to do."
    )
    last_transition_time: Time = Field(description="Time at which the status of the condition last changed.")
    observed_generation: int | None = Field(
        default=None,
        ge=0,
        le=GENERATION_MAX,
        description="Generation of the spec that the condition was determined for.",
    )


class DockerStatus(ApiModel):
    """Versions and drivers that the daemon reported when it became ready."""

    server_version: Word | None = Field(default=None, description="Version of the Docker daemon.", examples=["26.1.5"])
    storage_driver: Word | None = Field(
        default=None,
        description="Storage driver of Docker. vfs and native mean that the volume does not support overlay file systems.",
        examples=["overlayfs"],
    )
    cgroup_version: Word | None = Field(
        default=None, description="Version of cgroups that Docker uses: 1 or 2.", examples=["2"]
    )
    cgroup_driver: Word | None = Field(
        default=None, description="Driver with which Docker creates cgroups.", examples=["cgroupfs"]
    )


class NodeStatus(ApiModel):
    """Versions of the node of the pod."""

    os_image: Word | None = Field(
        default=None, description="Operating system of the node.", examples=["Debian GNU/Linux 13 (trixie)"]
    )
    kernel_version: Word | None = Field(default=None, description="Kernel version of the node.", examples=["6.12.0"])
    container_runtime_version: Word | None = Field(
        default=None, description="Container runtime of the node, with its version.", examples=["containerd://1.7.24"]
    )
    kubelet_version: Word | None = Field(
        default=None, description="Version of the kubelet on the node.", examples=["v1.34.1"]
    )
    architecture: Word | None = Field(default=None, description="CPU architecture of the node.", examples=["amd64"])
    app_armor: Word | None = Field(
        default=None,
        description="AppArmor profile that applies to the daemon, as found by the init container. Disabled on a node "
        "without AppArmor.",
        examples=["unconfined"],
    )


class CredentialsStatus(ApiModel):
    """Names, times and short fingerprints of the credentials in the Secrets of the endpoint. None of them is secret."""

    client_secret_name: Word | None = Field(
        default=None,
        description="Name of the Secret with the certificate and key for clients.",
        examples=["builder-client"],
    )
    generation: int | None = Field(
        default=None,
        ge=0,
        le=2**31,
        description="Value of `spec.endpoint.credentialsGeneration` for which the certificate authority was created.",
    )
    authority: Word | None = Field(
        default=None,
        description="Fingerprint of the certificate authority: the first 16 digits of the SHA-256 digest of "
        "its certificate.",
    )
    server_certificate: Word | None = Field(
        default=None, description="Fingerprint of the daemon's certificate in the Secret."
    )
    server_not_before: Time | None = Field(
        default=None, description="Time at which the daemon's certificate was issued."
    )
    server_not_after: Time | None = Field(default=None, description="Time at which the daemon's certificate expires.")
    client_not_after: Time | None = Field(
        default=None, description="Time at which the client's certificate expires. The operator renews it well before."
    )


class LastFailure(ApiModel):
    """Last failure of a pod. It is kept after the pod is deleted."""

    reason: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Z][A-Za-z]*$",
        description="Reason for the failure, as one of the documented words in CamelCase.",
    )
    message: str | None = Field(
        default=None, max_length=MESSAGE_MAX_LENGTH, description="Message about the failure, for people."
    )
    exit_code: int | None = Field(
        default=None,
        ge=-(2**31),
        le=2**31,
        description="Exit code of the container that failed, if a container failed.",
    )
    time: Time | None = Field(default=None, description="Time of the failure.")
    pod_name: Word | None = Field(default=None, description="Name of the pod that failed.")
    pod_uid: Word | None = Field(default=None, alias="podUID", description="UID of the pod that failed.")
    node_name: Word | None = Field(default=None, description="Name of the node of the pod that failed.")
    node_boot_id: Word | None = Field(
        default=None, alias="nodeBootID", description="Boot ID of that node at the time of the failure."
    )


class Expired(ApiModel):
    """Expiry of the environment: its reason and time."""

    reason: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Z][A-Za-z]*$",
        description="Reason for the expiry, as a reason of the condition Ready.",
    )
    time: Time = Field(description="Time at which the operator processed the expiry.")


class LifetimeStatus(ApiModel):
    """Expiry of the environment. It is written only when a value changes."""

    expires_at: Time | None = Field(
        default=None,
        description="Time at which the environment expires unless it is extended or, for the idle timeout, used. Absent "
        "while it is in use and has no time to live.",
    )
    idle_since: Time | None = Field(
        default=None,
        description="Time since which the environment has been idle, with a precision of about two minutes. Absent while "
        "it is in use, and without an idle timeout.",
    )
    ttl_warned_at: Time | None = Field(
        default=None, description="Time at which the Event was recorded that warns about the time to live."
    )
    idle_warned_at: Time | None = Field(
        default=None, description="Time at which the Event was recorded that warns about the idle timeout."
    )
    expired: Expired | None = Field(
        default=None, description="Reason and time of the expiry. Absent until the environment has expired."
    )


class WorkloadStatus(ApiModel):
    """State of one workload."""

    name: Word = Field(description="Name of the container.")
    started_at: Time | None = Field(default=None, description="Time at which the container last started.")
    finished_at: Time | None = Field(default=None, description="Time at which the container terminated.")
    exit_code: int | None = Field(
        default=None, ge=-(2**31), le=2**31, description="Exit code of the container. Absent while it is running."
    )
    reason: Word | None = Field(
        default=None,
        description="Reason why the container terminated or waits, as reported by the kubelet.",
        examples=["Completed", "OOMKilled"],
    )
    restarts: int | None = Field(default=None, ge=0, le=2**31, description="Number of restarts of the container.")


class WorkloadsStatus(ApiModel):
    """The current or last run of the workloads."""

    containers: Annotated[list[WorkloadStatus], Field(max_length=8)] = Field(
        default_factory=list,
        description="State of each workload container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    result: str | None = Field(
        default=None,
        max_length=64,
        description="Result of the run, as a reason of the condition Ready. Absent until the run is complete.",
        examples=["WorkloadsSucceeded"],
    )
    finished_at: Time | None = Field(
        default=None, description="Time at which the last container terminated or was found to be lost."
    )
    pod_uid: Word | None = Field(default=None, alias="podUID", description="UID of the pod of this run.")
    intent: Word | None = Field(
        default=None, description="Hash of the spec of this run. A change of the spec starts another run."
    )


class DindEnvironmentStatus(ApiModel):
    """Most recently observed state of the DindEnvironment."""

    observed_generation: int | None = Field(
        default=None, ge=0, le=GENERATION_MAX, description="Generation of the spec that the operator processed last."
    )
    phase: Phase | None = Field(
        default=None, description="Summary of the state in one word, for people. Programs should read `conditions`."
    )
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default_factory=list,
        description="Conditions of the environment. Wait for `Ready` to use the daemon.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    pod_name: Word | None = Field(default=None, description="Name of the pod, while it exists.")
    pod_uid: Word | None = Field(
        default=None,
        alias="podUID",
        description="UID of the pod that this status describes.",
    )
    node_name: Word | None = Field(default=None, description="Name of the node that the pod is assigned to.")
    daemon_image: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None, description="Image of the daemon in the current pod."
    )
    node_tool_image: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None, description="Image of the init container and of the daemon's entrypoint in the current pod."
    )
    reserve_memory: Quantity | None = Field(
        default=None,
        description="Memory that nested containers cannot use in the current pod. Absent if neither the spec nor a "
        "LimitRange sets a memory limit.",
        examples=["256Mi"],
    )
    registry_mirrors: (
        Annotated[list[Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] | None
    ) = Field(
        default=None,
        description="Mirrors of Docker Hub that the daemon in the current pod uses.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    endpoint: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None,
        description="Address of the daemon as a value for DOCKER_HOST, while the daemon is ready: the host name of the "
        "pod or, if the endpoint is disabled, the socket in the pod.",
        examples=["tcp://builder.dind.team-a.svc:2376"],
    )
    credentials: CredentialsStatus | None = Field(
        default=None, description="Certificates in the Secrets of the endpoint, while it is enabled."
    )
    docker: DockerStatus | None = Field(
        default=None, description="Versions and drivers that the daemon reported when it became ready."
    )
    node: NodeStatus | None = Field(default=None, description="Versions of the node that the pod runs on.")
    workloads: WorkloadsStatus | None = Field(
        default=None,
        description="Current or last run of the workloads. It is kept after the pod is deleted.",
        json_schema_extra={NO_DEFAULT: True},
    )
    restarts: int | None = Field(
        default=None, ge=0, le=2**31, description="Number of restarts of the daemon's container in the current pod."
    )
    recreations: int | None = Field(
        default=None,
        ge=0,
        le=2**31,
        description="Number of failed pods that were replaced since the environment was last ready for 10 minutes.",
    )
    last_failure: LastFailure | None = Field(
        default=None, description="Last failure of a pod. It is kept after the pod is deleted."
    )
    recreate_after: Time | None = Field(
        default=None,
        description="Time before which the operator does not create the next pod, because previous pods failed.",
    )
    lifetime: LifetimeStatus | None = Field(
        default=None, description="Expiry of the environment, if `spec.lifetime` is set."
    )


def clip(text: str, limit: int = MESSAGE_MAX_LENGTH) -> str:
    """The text, truncated to `limit` characters with an ellipsis at the end."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

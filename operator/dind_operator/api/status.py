"""The whole of `status`: what the operator saw. Everything here is written by the operator and by nobody else.

Bounds are generous where a value comes from a node or a daemon: a status that the API server refuses helps nobody,
so what may be longer is cut by `clip` before it is written.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from .model import ApiModel
from .quantity import Quantity
from .rules import NO_DEFAULT

# Longest text taken from elsewhere into status: long enough for any sentence, short enough to keep objects small.
MESSAGE_MAX_LENGTH: Final = 4096
WORD_MAX_LENGTH: Final = 256

# Before anybody has looked: a date no clock shows, so that it is not taken for a transition.
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

# The largest whole number that JSON readers keep exactly (they read numbers as doubles).
GENERATION_MAX: Final = 2**53 - 1

Word = Annotated[str, StringConstraints(max_length=WORD_MAX_LENGTH)]
Time = Annotated[str, StringConstraints(max_length=40), Field(json_schema_extra={"format": "date-time"})]


class Phase(StrEnum):
    """The state in one word, for people. Programs read conditions."""

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
    """What is known of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One condition, in the shape every Kubernetes API uses."""

    type: str = Field(
        min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$", description="What the condition is about."
    )
    status: ConditionStatus = Field(description="Whether it holds; Unknown when it cannot be told yet.")
    reason: str = Field(
        min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$", description="Why, as one of the documented words."
    )
    message: str = Field(
        max_length=MESSAGE_MAX_LENGTH, description="Why, as a sentence: what is wrong, where, what to do."
    )
    last_transition_time: Time = Field(description="When `status` last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, le=GENERATION_MAX, description="The generation of the environment this was said of."
    )


class DockerStatus(ApiModel):
    """What the nested daemon said of itself when it was ready."""

    server_version: Word | None = Field(default=None, description="Docker's version.", examples=["26.1.5"])
    storage_driver: Word | None = Field(
        default=None,
        description="How layers are stored; vfs means the volume cannot hold an overlay.",
        examples=["overlay2"],
    )
    cgroup_version: Word | None = Field(default=None, description="1 or 2.", examples=["2"])
    cgroup_driver: Word | None = Field(default=None, description="Who makes nested cgroups.", examples=["cgroupfs"])


class NodeStatus(ApiModel):
    """The node the pod runs on, as far as it matters to a nested daemon."""

    os_image: Word | None = Field(
        default=None, description="The node's operating system.", examples=["Debian GNU/Linux 13 (trixie)"]
    )
    kernel_version: Word | None = Field(default=None, description="The node's kernel.", examples=["6.12.0"])
    container_runtime_version: Word | None = Field(
        default=None, description="The runtime that started the pod.", examples=["containerd://1.7.24"]
    )
    kubelet_version: Word | None = Field(default=None, description="The kubelet's version.", examples=["v1.34.1"])
    architecture: Word | None = Field(default=None, description="The processor's architecture.", examples=["amd64"])
    app_armor: Word | None = Field(
        default=None,
        description="The AppArmor profile in force, as the pod's check saw it; Disabled on a node without AppArmor.",
        examples=["unconfined"],
    )


class CredentialsStatus(ApiModel):
    """What the endpoint's Secrets hold. Names, times and short fingerprints; never anything secret."""

    client_secret_name: Word | None = Field(
        default=None, description="The Secret that a client needs, all of it.", examples=["builder-client"]
    )
    generation: int | None = Field(
        default=None,
        ge=0,
        le=2**31,
        description="The `spec.endpoint.credentialsGeneration` that the authority was made for.",
    )
    authority: Word | None = Field(
        default=None, description="The authority's fingerprint: the first 16 digits of the SHA-256 of its certificate."
    )
    server_certificate: Word | None = Field(
        default=None, description="The fingerprint of the daemon's certificate as the Secret has it."
    )
    server_not_before: Time | None = Field(default=None, description="When that certificate was issued.")
    server_not_after: Time | None = Field(default=None, description="When that certificate ends.")
    client_not_after: Time | None = Field(
        default=None, description="When the client's certificate ends. The Secret has a new one long before."
    )


class LastFailure(ApiModel):
    """The last thing that went wrong with the pod; it outlives the pod."""

    reason: str = Field(
        min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$", description="What happened, as a documented reason."
    )
    message: str | None = Field(
        default=None, max_length=MESSAGE_MAX_LENGTH, description="What happened, as a sentence."
    )
    exit_code: int | None = Field(
        default=None, ge=-(2**31), le=2**31, description="The exit code of the container that failed, if one did."
    )
    time: Time | None = Field(default=None, description="When it happened.")
    pod_name: Word | None = Field(default=None, description="The pod it happened to.")
    pod_uid: Word | None = Field(default=None, alias="podUID", description="The uid of that pod.")
    node_name: Word | None = Field(default=None, description="The node it happened on.")
    node_boot_id: Word | None = Field(
        default=None, alias="nodeBootID", description="The boot of that node, to tell a reboot from a failure."
    )


class Expired(ApiModel):
    """That the environment's time is over, and since when."""

    reason: str = Field(
        min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$", description="Which time is over, as Ready's reason."
    )
    time: Time = Field(description="When the operator acted on it.")


class LifetimeStatus(ApiModel):
    """What is left of the environment's time. Nothing here is written again while nothing changes."""

    expires_at: Time | None = Field(
        default=None,
        description="When the environment expires if it is neither extended nor, for the idle timeout, used; absent "
        "while it is in use and has no time to live. A time in the past: it expires at the next look, or has expired.",
    )
    idle_since: Time | None = Field(
        default=None,
        description="Since when the environment has not been used, to a minute or two; absent while it is in use, and "
        "without an idle timeout.",
    )
    ttl_warned_at: Time | None = Field(
        default=None, description="When the Event was recorded that warns of the end of the time to live."
    )
    idle_warned_at: Time | None = Field(
        default=None, description="When the Event was recorded that warns of the end of the idle timeout."
    )
    expired: Expired | None = Field(default=None, description="Set when the environment has expired.")


class WorkloadStatus(ApiModel):
    """How one workload is, or ended."""

    name: Word = Field(description="The container's name.")
    started_at: Time | None = Field(default=None, description="When it was started, the last time.")
    finished_at: Time | None = Field(default=None, description="When it ended.")
    exit_code: int | None = Field(
        default=None, ge=-(2**31), le=2**31, description="What it ended with; absent while it runs."
    )
    reason: Word | None = Field(
        default=None, description="Why it ended or waits, in the kubelet's word.", examples=["Completed", "OOMKilled"]
    )
    restarts: int | None = Field(default=None, ge=0, le=2**31, description="How often it was started again.")


class WorkloadsStatus(ApiModel):
    """The present run of the workloads, or the last one."""

    containers: Annotated[list[WorkloadStatus], Field(max_length=8)] = Field(
        default_factory=list,
        description="The workloads, with their exit codes.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    result: str | None = Field(
        default=None,
        max_length=64,
        description="What the run came to, as Ready's reason; absent until it is over. It is not repeated by itself.",
        examples=["WorkloadsSucceeded"],
    )
    finished_at: Time | None = Field(default=None, description="When the last of them ended, or was found to be lost.")
    pod_uid: Word | None = Field(default=None, alias="podUID", description="The uid of the pod they ran in.")
    intent: Word | None = Field(
        default=None, description="The hash of the spec they ran for; another spec is another run."
    )


class DindEnvironmentStatus(ApiModel):
    """What the operator saw."""

    observed_generation: int | None = Field(
        default=None, ge=0, le=GENERATION_MAX, description="The generation of the environment that was last acted on."
    )
    phase: Phase | None = Field(
        default=None, description="The state in one word, for people. Programs read conditions."
    )
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default_factory=list,
        description="What holds and what does not, with reasons. `Ready` is the one to wait for.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    pod_name: Word | None = Field(default=None, description="The pod, while there is one.")
    pod_uid: Word | None = Field(
        default=None,
        alias="podUID",
        description="The uid of that pod, so that what is said of it is not taken for another's.",
    )
    node_name: Word | None = Field(default=None, description="The node the pod was placed on.")
    daemon_image: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None, description="The daemon's image in the present pod."
    )
    node_tool_image: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None, description="The image of the pod's checks and of the daemon's wrapper in the present pod."
    )
    reserve_memory: Quantity | None = Field(
        default=None,
        description="Memory held back from nested containers in the present pod; absent without a memory limit, "
        "which the spec or a LimitRange sets.",
        examples=["256Mi"],
    )
    registry_mirrors: (
        Annotated[list[Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] | None
    ) = Field(
        default=None,
        description="Where the daemon of the present pod asks for images of Docker Hub first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    endpoint: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        default=None,
        description="Where the daemon listens, as DOCKER_HOST takes it, while it is ready: the Service, or without an "
        "endpoint the socket inside the pod, which `kubectl exec` reaches.",
        examples=["tcp://builder.team-a.svc:2376"],
    )
    credentials: CredentialsStatus | None = Field(
        default=None, description="What the endpoint's Secrets hold, while there is an endpoint."
    )
    docker: DockerStatus | None = Field(
        default=None, description="What the nested daemon said of itself when it was ready."
    )
    node: NodeStatus | None = Field(
        default=None, description="The node the pod runs on, as far as it matters to a nested daemon."
    )
    workloads: WorkloadsStatus | None = Field(
        default=None,
        description="The present run of the workloads, or the last one. It outlives the pod.",
        json_schema_extra={NO_DEFAULT: True},
    )
    restarts: int | None = Field(
        default=None, ge=0, le=2**31, description="How often the daemon's container was restarted in the present pod."
    )
    recreations: int | None = Field(
        default=None,
        ge=0,
        le=2**31,
        description="How often a failed pod was replaced since the environment last ran well.",
    )
    last_failure: LastFailure | None = Field(
        default=None, description="The last thing that went wrong with a pod; it outlives the pod."
    )
    recreate_after: Time | None = Field(
        default=None, description="The pod is not made again before this time, because earlier ones failed."
    )
    lifetime: LifetimeStatus | None = Field(
        default=None, description="What is left of the environment's time, if it has a lifetime."
    )


def clip(text: str, limit: int = MESSAGE_MAX_LENGTH) -> str:
    """The text, cut to what a field may hold; a cut is shown by an ellipsis. Characters count, not bytes."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

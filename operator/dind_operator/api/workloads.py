"""Containers beside the daemon: an allow-list of a pod's own fields, and what becomes of the environment when they end.

Left out on purpose: everything that gives a container more of the node than an ordinary one has (privileges, capabilities,
host paths, devices, another service account), and probes, because a workload works and does not serve.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .daemon import IMAGE_PATTERN, PullPolicy
from .model import ApiModel, WholeNumber
from .quantity import Quantity
from .rules import FORBIDDEN, INVALID, cel_text, keys, rule, shape, validations, value_rule
from .workload_fields import (
    ATOMIC,
    BY_NAME,
    PATH_PATTERN,
    WORKSPACE_PATH,
    LabelName,
    Mount,
    ScratchVolume,
    Variable,
    VariablesSource,
    Volume,
)

MAX_CONTAINERS: Final = 8
MAX_VOLUMES: Final = 16
# The kernel's own bound on an id is 2^32; Kubernetes takes a signed 32-bit number.
_MAX_ID: Final = 2**31 - 1
_OWN_NAME: Final = (
    "is the operator's own container: choose another name than daemon and mount-cgroups, not beginning with dind-"
)
_UNDECLARED: Final = (
    "a volumeMount of workloads.containers names no volume of workloads.volumes: declare the volume there, or correct the "
    "name"
)


Text = Annotated[str, StringConstraints(max_length=4096)]


class RestartPolicy(StrEnum):
    """What happens when a workload ends, or its pod is lost."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"


RESOURCE_PATTERN: Final = "^(cpu|memory|ephemeral-storage)$"
_AMOUNTS: Final = keys(RESOURCE_PATTERN, "a workload has no such resource: use cpu, memory and ephemeral-storage")
Amounts = Annotated[dict[Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN)], Quantity], Field(max_length=3)]


class WorkloadResources(ApiModel):
    """What a workload may use. What the API server does not accept of a pod becomes a condition."""

    limits: Amounts | None = Field(default=None, description="The most it may use.", json_schema_extra=_AMOUNTS)
    requests: Amounts | None = Field(
        default=None, description="What is set aside on the node.", json_schema_extra=_AMOUNTS
    )


class WorkloadSecurity(ApiModel):
    """What a workload may be restricted to. Nothing here gives it more."""

    run_as_user: Annotated[WholeNumber, Field(ge=0, le=_MAX_ID)] | None = Field(
        default=None, description="The user it runs as. The socket is root's: another user cannot open it."
    )
    run_as_group: Annotated[WholeNumber, Field(ge=0, le=_MAX_ID)] | None = Field(
        default=None, description="The group it runs as."
    )
    run_as_non_root: bool | None = Field(default=None, description="Whether it is refused to start as root.")
    read_only_root_filesystem: bool | None = Field(default=None, description="Whether it may write on volumes only.")


class Workload(ApiModel):
    """A container beside the daemon, with the names and shapes of a pod's container."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            value_rule(
                "!(self.name in ['daemon', 'mount-cgroups']) && !self.name.startsWith('dind-')",
                f"'the name ' + self.name + ' {cel_text(_OWN_NAME)}'",
                f"the name {_OWN_NAME}",
                path=".name",
                reason=FORBIDDEN,
            )
        )
    )

    name: LabelName = Field(description="The container's name, as in `kubectl logs POD -c NAME`.")
    image: str = Field(
        min_length=1,
        max_length=512,
        pattern=IMAGE_PATTERN,
        description="Its image, pulled with `daemon.imagePullSecrets`.",
        json_schema_extra=shape(
            IMAGE_PATTERN, "image is no image reference: write it as registry/name:tag or name@digest"
        ),
    )
    image_pull_policy: PullPolicy | None = Field(default=None, description="When the node pulls the image.")
    command: Annotated[list[Text], Field(max_length=64)] | None = Field(
        default=None, description="Instead of the image's entrypoint.", json_schema_extra=ATOMIC
    )
    args: Annotated[list[Text], Field(max_length=64)] | None = Field(
        default=None, description="Instead of the image's command.", json_schema_extra=ATOMIC
    )
    working_dir: str | None = Field(
        default=None,
        max_length=512,
        pattern=PATH_PATTERN,
        description=f"The folder it starts in; left out, the image's own. The workspace is `{WORKSPACE_PATH}`.",
    )
    env: Annotated[list[Variable], Field(max_length=64)] | None = Field(
        default=None, description="Variables, beside `DOCKER_HOST`.", json_schema_extra=BY_NAME
    )
    env_from: Annotated[list[VariablesSource], Field(max_length=8)] | None = Field(
        default=None, description="Objects whose keys become variables.", json_schema_extra=ATOMIC
    )
    resources: WorkloadResources | None = Field(
        default=None, description="What it may use itself. Builds and nested containers count for the daemon."
    )
    volume_mounts: Annotated[list[Mount], Field(max_length=MAX_VOLUMES)] | None = Field(
        default=None, description="Volumes of `workloads.volumes`, and where they are seen.", json_schema_extra=ATOMIC
    )
    security_context: WorkloadSecurity | None = Field(
        default=None, description="What the container is restricted to, beside what all workloads are."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name in ("daemon", "mount-cgroups") or self.name.startswith("dind-"):
            raise ValueError(f"the name {self.name} {_OWN_NAME}")
        return self


class WorkloadsSpec(ApiModel):
    """Containers beside the daemon."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "self.containers.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, has(self.volumes) && "
                "self.volumes.exists(v, v.name == m.name)))",
                _UNDECLARED,
                path=".volumes",
                reason=INVALID,
            )
        )
    )

    containers: Annotated[list[Workload], Field(min_length=1, max_length=MAX_CONTAINERS)] = Field(
        description="The containers. They start when the daemon answers, and end before it does.",
        json_schema_extra=BY_NAME,
    )
    restart_policy: RestartPolicy = Field(
        default=RestartPolicy.NEVER,
        description="Never: each container runs once; when all have ended, the environment is Succeeded or Failed and its "
        "daemon ends. A pod that is lost before is a failure. OnFailure: what fails is started again, also in a new pod, until "
        "all have succeeded. Always: what ends is started again, and the environment does not end.",
    )
    run: Annotated[WholeNumber, Field(ge=1, le=_MAX_ID)] = Field(
        default=1, description="Raise it to have the workloads run again, in a new pod."
    )
    workspace: ScratchVolume | None = Field(
        default=None,
        description=f"The folder `{WORKSPACE_PATH}`, which all workloads and the daemon share: `docker run -v` of a path in "
        "it means the same files. Left out, one without a limit.",
    )
    docker_cli: bool = Field(
        default=False,
        description="Whether the docker CLI and its plugins are copied from the daemon's image into the workloads, as "
        "`/usr/local/bin/docker`.",
    )
    volumes: Annotated[list[Volume], Field(max_length=MAX_VOLUMES)] | None = Field(
        default=None,
        description="Volumes that containers may mount: ConfigMaps and Secrets of the environment's namespace, empty folders.",
        json_schema_extra=BY_NAME,
    )
    termination_grace_period_seconds: Annotated[WholeNumber, Field(ge=1, le=3600)] = Field(
        default=30,
        description="How long workloads may take to end when the pod is deleted. The daemon's own time is added to it.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, named in (("containers", self.containers), ("volumes", self.volumes or [])):
            if len({item.name for item in named}) < len(named):
                raise ValueError(f"workloads.{what} has a name twice: give each its own")
        declared = {volume.name for volume in self.volumes or []}
        mounts = [mount.name for container in self.containers for mount in container.volume_mounts or []]
        if not declared.issuperset(mounts):
            raise ValueError(_UNDECLARED)
        return self

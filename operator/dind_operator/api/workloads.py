"""Workloads: containers in the pod of the daemon, with a subset of the fields of a container.

Unsupported are fields that give a container more access to the node (privileges, capabilities, host paths, devices, another service
account), and probes, because a workload runs to completion and does not serve requests.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .cel_rules import FORBIDDEN, INVALID, cel_text, keys, rule, shape, validations, value_rule
from .daemon import IMAGE_PATTERN, PullPolicy
from .model import ApiModel, TrueOrFalse, WholeNumber
from .quantity import Quantity
from .workload_fields import (
    ATOMIC,
    BY_NAME,
    PATH_PATTERN,
    WORKSPACE_PATH,
    LabelName,
    Mount,
    Variable,
    VariablesSource,
    Volume,
    Workspace,
)

MAX_CONTAINERS: Final = 8
MAX_VOLUMES: Final = 16
# The limit of the kernel for an id is 2^32. Kubernetes uses a signed 32-bit number.
_MAX_ID: Final = 2**31 - 1
_OWN_NAME: Final = (
    "must not be that of an operator's container: choose another name than daemon and mount-cgroups, not "
    "beginning with dind-"
)
_UNDECLARED: Final = (
    "a volumeMount of workloads.containers must refer to a volume of workloads.volumes: declare the volume there, or correct the "
    "name"
)
_AT_WORKSPACE: Final = (
    "a volumeMount of workloads.containers must not have the path of the workspace: mount the volume elsewhere, or set "
    "workloads.workspace.path"
)


Text = Annotated[str, StringConstraints(max_length=4096)]


class RestartPolicy(StrEnum):
    """What happens when a workload exits, or its pod is lost."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"


RESOURCE_PATTERN: Final = "^(cpu|memory|ephemeral-storage)$"
_AMOUNTS: Final = keys(RESOURCE_PATTERN, "a workload cannot use this resource: use cpu, memory and ephemeral-storage")
Amounts = Annotated[dict[Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN)], Quantity], Field(max_length=3)]


class WorkloadResources(ApiModel):
    """Resources of a workload. A condition reports values that the API server rejects in a pod."""

    limits: Amounts | None = Field(
        default=None, description="Maximum amounts for the container, by resource name.", json_schema_extra=_AMOUNTS
    )
    requests: Amounts | None = Field(
        default=None,
        description="Amounts that are reserved for the container on the node, by resource name.",
        json_schema_extra=_AMOUNTS,
    )


class WorkloadSecurity(ApiModel):
    """Security context of a workload. No field grants more privileges."""

    run_as_user: Annotated[WholeNumber, Field(ge=0, le=_MAX_ID)] | None = Field(
        default=None, description="UID that the container runs as."
    )
    run_as_group: Annotated[WholeNumber, Field(ge=0, le=_MAX_ID)] | None = Field(
        default=None, description="GID that the container runs as."
    )
    run_as_non_root: TrueOrFalse | None = Field(
        default=None, description="Whether the kubelet refuses to start the container as root."
    )
    read_only_root_filesystem: TrueOrFalse | None = Field(
        default=None, description="Whether the root file system of the container is read-only."
    )


class Workload(ApiModel):
    """Container next to the daemon, with the fields of a container of a pod."""

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

    name: LabelName = Field(description="Name of the container, as in `kubectl logs POD -c NAME`.")
    image: str = Field(
        min_length=1,
        max_length=512,
        pattern=IMAGE_PATTERN,
        description="Image of the container. The kubelet pulls it with `daemon.imagePullSecrets`.",
        json_schema_extra=shape(
            IMAGE_PATTERN, "image must be an image reference: write it as registry/name:tag or name@digest"
        ),
    )
    image_pull_policy: PullPolicy | None = Field(
        default=None, description="When the kubelet pulls the image of the container."
    )
    command: Annotated[list[Text], Field(max_length=64)] | None = Field(
        default=None,
        description="Command of the container. Defaults to the entrypoint of the image.",
        json_schema_extra=ATOMIC,
    )
    args: Annotated[list[Text], Field(max_length=64)] | None = Field(
        default=None,
        description="Arguments of the command. Defaults to the command of the image.",
        json_schema_extra=ATOMIC,
    )
    working_dir: str | None = Field(
        default=None,
        max_length=512,
        pattern=PATH_PATTERN,
        description="Working directory of the container. Defaults to that of the image. `docker run -v` finds only "
        "files of the shared workspace.",
    )
    env: Annotated[list[Variable], Field(max_length=64)] | None = Field(
        default=None,
        description="Environment variables of the container, besides `DOCKER_HOST`.",
        json_schema_extra=BY_NAME,
    )
    env_from: Annotated[list[VariablesSource], Field(max_length=8)] | None = Field(
        default=None,
        description="Objects whose keys become environment variables of the container.",
        json_schema_extra=ATOMIC,
    )
    resources: WorkloadResources | None = Field(
        default=None,
        description="Compute resources of the container. Builds and nested containers count toward the "
        "resources of the daemon.",
    )
    volume_mounts: Annotated[list[Mount], Field(max_length=MAX_VOLUMES)] | None = Field(
        default=None,
        description="Volumes of `workloads.volumes` that are mounted in the container.",
        json_schema_extra=ATOMIC,
    )
    security_context: WorkloadSecurity | None = Field(
        default=None, description="Security settings of the container, in addition to those of all workloads."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name in ("daemon", "mount-cgroups") or self.name.startswith("dind-"):
            raise ValueError(f"the name {self.name} {_OWN_NAME}")
        return self


class WorkloadsSpec(ApiModel):
    """Containers next to the daemon."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "self.containers.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, has(self.volumes) && "
                "self.volumes.exists(v, v.name == m.name)))",
                _UNDECLARED,
                path=".volumes",
                reason=INVALID,
            ),
            rule(
                "self.containers.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, m.mountPath != "
                f"(has(self.workspace) && has(self.workspace.path) ? self.workspace.path : '{WORKSPACE_PATH}')))",
                _AT_WORKSPACE,
                path=".containers",
                reason=FORBIDDEN,
            ),
        )
    )

    containers: Annotated[list[Workload], Field(min_length=1, max_length=MAX_CONTAINERS)] = Field(
        description="Containers of the workload. They start when the daemon responds and stop before it does.",
        json_schema_extra=BY_NAME,
    )
    restart_policy: RestartPolicy = Field(
        default=RestartPolicy.NEVER,
        description="Whether completed containers are restarted. With Never, each container runs once; when all have "
        "completed, the environment is Succeeded or Failed and the daemon stops. If the pod is lost before, "
        "the environment is Failed. With OnFailure, failed containers are restarted, also in a new pod, until all "
        "have succeeded. With Always, all containers are restarted.",
    )
    run: Annotated[WholeNumber, Field(ge=1, le=_MAX_ID)] = Field(
        default=1, description="Increase this number to run the workloads again in a new pod."
    )
    workspace: Workspace | None = Field(
        default=None,
        description=f"Volume that the daemon and all workloads share at the same path, so that `docker run -v` works with "
        f"paths in it. Defaults to a volume at `{WORKSPACE_PATH}` without a size limit.",
    )
    docker_cli: TrueOrFalse = Field(
        default=False,
        description="Whether the Docker CLI and its plugins are copied from the image of the daemon to "
        "`/usr/local/bin/docker` in the workloads.",
    )
    volumes: Annotated[list[Volume], Field(max_length=MAX_VOLUMES)] | None = Field(
        default=None,
        description="Volumes that the containers can mount: ConfigMaps, Secrets and emptyDir volumes.",
        json_schema_extra=BY_NAME,
    )
    termination_grace_period_seconds: Annotated[WholeNumber, Field(ge=1, le=3600)] = Field(
        default=30,
        description="Seconds that workloads have to stop when the pod is deleted. The time for the daemon is added.",
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
        if any(
            mount.mount_path == self.workspace_path for item in self.containers for mount in item.volume_mounts or []
        ):
            raise ValueError(_AT_WORKSPACE)
        return self

    @property
    def workspace_path(self) -> str:
        """The path of the workspace, with the default applied."""
        return self.workspace.path if self.workspace is not None else WORKSPACE_PATH

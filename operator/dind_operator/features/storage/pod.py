"""The docker volume: its source, its mounts, and what dind-node has to know of it."""

import re
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, HostPathStorage
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.node_config import StorageConfig
from dind_operator.pod.part import PodPart
from dind_operator.pod.variables import DATA_ROOT

PREFIX_MOUNT = "/dind-host-prefix"
"""Where the init container mounts the prefix, to check that the directory is in it."""

_DRIVER_KEY = "storage-driver"
_DRIVER_FLAG = re.compile(r"^--?storage-driver(?:=(.*))?$")
_DRIVER_SHORT = re.compile(r"^-D*s=?(.*)$")


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """The docker volume and its mounts. Raises UnbuildableError (HostPathNotAllowed)."""
    spec = environment.spec
    return PodPart(
        volumes=[volume(spec, settings)],
        mounts=[mount(spec, settings)],
        init_mounts=prefix_mounts(spec),
        node_config=node_config(environment),
    )


def volume(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """The pod's volume at /var/lib/docker.

    For hostPath, the volume is the prefix, and ``subPath`` is the directory of the environment. The kubelet then creates the
    directory, and does not follow a symbolic link out of the prefix. Raises UnbuildableError (HostPathNotAllowed).
    """
    storage = spec.storage
    if storage.host_path is not None:
        prefix, _ = _split(storage.host_path, settings)
        source: dict[str, Any] = {"hostPath": {"path": prefix, "type": "DirectoryOrCreate"}}
    elif storage.ephemeral is not None:
        template = storage.ephemeral.volume_claim_template.model_dump(mode="json", by_alias=True, exclude_none=True)
        source = {"ephemeral": {"volumeClaimTemplate": template}}
    elif storage.empty_dir is not None:
        source = {
            "emptyDir": storage.empty_dir.model_dump(
                mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
            )
        }
    return {"name": names.VOLUME_DOCKER_DATA, **source}


def mount(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """The mount of the volume in both containers."""
    mounted = {"name": names.VOLUME_DOCKER_DATA, "mountPath": DATA_ROOT}
    if spec.storage.host_path is not None:
        mounted["subPath"] = _split(spec.storage.host_path, settings)[1]
    return mounted


def prefix_mounts(spec: DindEnvironmentSpec) -> list[dict[str, Any]]:
    """The mount of the prefix in the init container, which checks that the directory is no symbolic link."""
    if spec.storage.host_path is None:
        return []
    return [{"name": names.VOLUME_DOCKER_DATA, "mountPath": PREFIX_MOUNT, "readOnly": True}]


def node_config(environment: DindEnvironment) -> dict[str, StorageConfig]:
    """The storage driver, and the directory of the node with its owner; nothing without any."""
    spec = environment.spec
    host = spec.storage.host_path
    config = StorageConfig(
        driver=chosen_driver(spec),
        host_directory=None if host is None else host.path.rpartition("/")[2],
        owner=None if host is None else f"{environment.namespace}/{environment.name} {environment.uid}",
    )
    return {} if config == StorageConfig() else {"storage": config}


def chosen_driver(spec: DindEnvironmentSpec) -> str | None:
    """The storage driver in `spec.daemon.config` or `spec.daemon.args`, as dockerd reads them; None without one."""
    chosen = spec.daemon.config.get(_DRIVER_KEY)
    args = spec.daemon.args
    for argument, following in zip(args, [*args, ""][1:], strict=True):
        if match := _DRIVER_FLAG.match(argument):
            chosen = following if match[1] is None else match[1]
        elif match := _DRIVER_SHORT.match(argument):
            chosen = match[1] or following
    return chosen if isinstance(chosen, str) and chosen else None


def _split(host_path: HostPathStorage, settings: BuildSettings) -> tuple[str, str]:
    """The allowed prefix, and the name of the directory in it."""
    parent, _, name = host_path.path.rpartition("/")
    if parent in settings.host_path_prefixes:
        return parent, name
    allowed = settings.host_path_prefixes
    remedy = (
        f"this installation allows only directories directly below {', '.join(allowed)}. Choose such a directory"
        if allowed
        else "this installation does not allow directories of nodes. Ask an administrator to add a prefix to "
        "hostPath.allowedPrefixes of the chart"
    )
    raise UnbuildableError(
        Reason.HOST_PATH_NOT_ALLOWED,
        f"spec.storage.hostPath.path {host_path.path} is not allowed: {remedy}, or use another volume type in spec.storage.",
    )

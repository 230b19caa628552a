"""Workloads in the pod: the daemon is a native sidecar, and the pod can complete.

A sidecar is an init container with `restartPolicy: Always`. It starts after mount-cgroups, its startup probe delays the workloads
until dockerd responds, and it stops after them.
"""

from collections.abc import Mapping
from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, Workload, WorkloadsSpec
from dind_operator.api.workload_fields import DOCKER_HOST, SOCKET_PATH
from dind_operator.dockerd.config_keys import Setting
from dind_operator.dockerd.flags import is_set
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart
from dind_operator.pod.reserved_secrets import check_secrets
from dind_operator.pod.variables import SOCKET, variable

CLI_MOUNT = "/run/dind-cli"
"""The directory to which dind-node copies the docker CLI of the daemon's image."""
CLI_PATH = "/usr/local/bin/docker"
"""In the PATH of nearly all images; users of others set PATH in env."""
PLUGINS_PATH = "/usr/local/libexec/docker/cli-plugins"
"""The first system directory of docker CLI plugins that distributions do not use."""
SOCKET_GROUP = 2375
"""The group that can open the socket: a number, because the group docker exists in few images."""
CLI_SIZE = "512Mi"
"""docker, buildx and compose with their libraries need 150 MB in Debian 13, and twice as much during a copy."""

_GROUP = Setting(key="group", short="G")


def part(environment: DindEnvironment, _settings: BuildSettings) -> PodPart:
    """All fields except the containers. Raises UnbuildableError for Secrets of the environment's own CA and daemon."""
    spec = environment.spec
    return PodPart(
        pod_fields={"restartPolicy": restart_policy(spec)},
        **_socket_group(spec),
        volumes=volumes(environment),
        daemon_mounts=daemon_mounts(spec),
        node_config=node_config(spec),
        grace_seconds=grace_seconds(spec),
    )


def _socket_group(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """Workloads can open the socket with every user ID, unless the user chose a group for it."""
    if spec.workloads is None or is_set(_GROUP, spec.daemon.config, spec.daemon.args):
        return {}
    # Not fsGroup, for which the kubelet would change the owner of every file in the docker volume.
    return {"pod_security": {"supplementalGroups": [SOCKET_GROUP]}, "daemon_json": {"group": str(SOCKET_GROUP)}}


def restart_policy(spec: DindEnvironmentSpec) -> str:
    """The restart policy of the pod. As a sidecar, the daemon has its own policy and is always restarted."""
    return "Always" if spec.workloads is None else spec.workloads.restart_policy.value


def arranged(
    spec: DindEnvironmentSpec,
    first: dict[str, Any],
    daemon: dict[str, Any],
    variables: Mapping[str, str | dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pod's init containers and containers. ``variables``: of workloads that do not set them."""
    if spec.workloads is None:
        return [first], [daemon]
    sidecar = {**daemon, "restartPolicy": "Always"}
    return [first, sidecar], [_container(item, spec.workloads, variables) for item in spec.workloads.containers]


def daemon_mounts(spec: DindEnvironmentSpec) -> list[dict[str, Any]]:
    """Mounts of the daemon for workloads. The workspace has the same path in both, so that `docker run -v` works."""
    if spec.workloads is None:
        return []
    cli = [{"name": names.VOLUME_CLI, "mountPath": CLI_MOUNT}] if spec.workloads.docker_cli else []
    return [{"name": names.VOLUME_WORKSPACE, "mountPath": spec.workloads.workspace_path}, *cli]


def node_config(spec: DindEnvironmentSpec) -> dict[str, str]:
    """Says to dind-node where the docker CLI goes."""
    copied = spec.workloads is not None and spec.workloads.docker_cli
    return {"cli_directory": CLI_MOUNT} if copied else {}


def volumes(environment: DindEnvironment) -> list[dict[str, Any]]:
    """Volumes of workloads. Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon."""
    workloads = environment.spec.workloads
    if workloads is None:
        return []
    check_secrets(environment, "spec.workloads", secret_names(workloads))
    limit = workloads.workspace.size_limit if workloads.workspace is not None else None
    workspace = {"sizeLimit": limit} if limit is not None else {}
    cli = [{"name": names.VOLUME_CLI, "emptyDir": {"sizeLimit": CLI_SIZE}}] if workloads.docker_cli else []
    own = [volume.to_dict() for volume in workloads.volumes or []]
    return [{"name": names.VOLUME_WORKSPACE, "emptyDir": workspace}, *cli, *own]


def grace_seconds(spec: DindEnvironmentSpec) -> int:
    """The part of the pod's grace period for workloads, before the daemon is stopped."""
    return 0 if spec.workloads is None else spec.workloads.termination_grace_period_seconds


def _container(
    workload: Workload, workloads: WorkloadsSpec, variables: Mapping[str, str | dict[str, Any]]
) -> dict[str, Any]:
    fields = workload.to_dict()
    # A workload with its own HTTPS_PROXY must not have another https_proxy: programs differ in which of the two they prefer.
    own = {item["name"].lower() for item in fields.get("env", [])}
    others = {name: value for name, value in variables.items() if name.lower() not in own}
    given = {DOCKER_HOST: f"unix://{SOCKET}", **others}
    mounts = [
        # Read-write: on a read-only mount the kernel does not update the socket's access time, with which use is detected.
        {"name": names.VOLUME_SOCKET, "mountPath": SOCKET_PATH},
        {"name": names.VOLUME_WORKSPACE, "mountPath": workloads.workspace_path},
        *(_cli_mounts() if workloads.docker_cli else []),
    ]
    return fields | {
        "env": [*(variable(name, value) for name, value in given.items()), *fields.get("env", [])],
        "volumeMounts": [*mounts, *fields.get("volumeMounts", [])],
        "securityContext": {
            **fields.get("securityContext", {}),
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _cli_mounts() -> list[dict[str, Any]]:
    volume = {"name": names.VOLUME_CLI, "readOnly": True}
    return [
        {**volume, "mountPath": CLI_MOUNT},
        {**volume, "mountPath": CLI_PATH, "subPath": "docker"},
        {**volume, "mountPath": PLUGINS_PATH, "subPath": "cli-plugins"},
    ]


def secret_names(workloads: WorkloadsSpec) -> list[str]:
    """The names of all Secrets that workloads refer to, in the order of the spec."""
    found = [volume.secret.secret_name for volume in workloads.volumes or [] if volume.secret is not None]
    for container in workloads.containers:
        sources = [item.value_from.secret_key_ref for item in container.env or [] if item.value_from is not None]
        found += [source.name for source in sources if source is not None]
        found += [item.secret_ref.name for item in container.env_from or [] if item.secret_ref is not None]
    return found

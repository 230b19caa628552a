"""Containers beside the daemon: the pod's other shape, in which the daemon is a native sidecar and the pod can end.

A sidecar is an init container with `restartPolicy: Always`: it starts after mount-cgroups, its startup probe holds the workloads
back until dockerd answers, and it is stopped after them.
"""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, Workload, WorkloadsSpec
from dind_operator.api.workload_fields import DOCKER_HOST, SOCKET_PATH, WORKSPACE_PATH
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart
from dind_operator.pod.reserved_secrets import check_secrets
from dind_operator.pod.variables import SOCKET

CLI_VARIABLE = "DIND_CLI"
"""Where the daemon's wrapper puts the docker CLI of its image. Without it none is copied."""
CLI_MOUNT = "/run/dind-cli"
CLI_PATH = "/usr/local/bin/docker"
"""In the PATH of nearly every image; the rest sets PATH in env."""
PLUGINS_PATH = "/usr/local/libexec/docker/cli-plugins"
"""The first folder but the user's own in which the docker CLI looks for plugins that distributions leave alone."""
CLI_SIZE = "512Mi"
"""docker, buildx and compose with their libraries are 150 MB in Debian 13, and twice that while they are copied anew."""


def part(environment: DindEnvironment, _settings: BuildSettings) -> PodPart:
    """All but the containers. Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon."""
    spec = environment.spec
    return PodPart(
        pod_fields={"restartPolicy": restart_policy(spec)},
        volumes=volumes(environment),
        daemon_mounts=daemon_mounts(spec),
        daemon_variables=daemon_variables(spec),
        grace_seconds=grace_seconds(spec),
    )


def restart_policy(spec: DindEnvironmentSpec) -> str:
    """Of the pod. The daemon is restarted in either shape: as a sidecar it has a policy of its own."""
    return "Always" if spec.workloads is None else spec.workloads.restart_policy.value


def arranged(
    spec: DindEnvironmentSpec, first: dict[str, Any], daemon: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pod's init containers and containers."""
    if spec.workloads is None:
        return [first], [daemon]
    sidecar = {**daemon, "restartPolicy": "Always"}
    return [first, sidecar], [_container(item, spec.workloads) for item in spec.workloads.containers]


def daemon_mounts(spec: DindEnvironmentSpec) -> list[dict[str, Any]]:
    """What the daemon mounts for the workloads. The workspace at the same path, so that `docker run -v` finds it."""
    if spec.workloads is None:
        return []
    cli = [{"name": names.VOLUME_CLI, "mountPath": CLI_MOUNT}] if spec.workloads.docker_cli else []
    return [{"name": names.VOLUME_WORKSPACE, "mountPath": WORKSPACE_PATH}, *cli]


def daemon_variables(spec: DindEnvironmentSpec) -> dict[str, str]:
    """What the daemon's wrapper is told of the workloads."""
    wanted = spec.workloads is not None and spec.workloads.docker_cli
    return {CLI_VARIABLE: CLI_MOUNT} if wanted else {}


def volumes(environment: DindEnvironment) -> list[dict[str, Any]]:
    """Those of the workloads. Raises UnbuildableError for the Secrets of the environment's own authority and daemon."""
    asked = environment.spec.workloads
    if asked is None:
        return []
    check_secrets(environment, "spec.workloads", secret_names(asked))
    workspace = asked.workspace.to_dict() if asked.workspace is not None else {}
    cli = [{"name": names.VOLUME_CLI, "emptyDir": {"sizeLimit": CLI_SIZE}}] if asked.docker_cli else []
    own = [volume.to_dict() for volume in asked.volumes or []]
    return [{"name": names.VOLUME_WORKSPACE, "emptyDir": workspace}, *cli, *own]


def grace_seconds(spec: DindEnvironmentSpec) -> int:
    """What the workloads are given of the pod's grace period, before the daemon's turn comes."""
    return 0 if spec.workloads is None else spec.workloads.termination_grace_period_seconds


def _container(asked: Workload, workloads: WorkloadsSpec) -> dict[str, Any]:
    fields = asked.to_dict()
    mounts = [
        # Read-write: on a read-only mount the kernel leaves the socket's access time, by which its use is known.
        {"name": names.VOLUME_SOCKET, "mountPath": SOCKET_PATH},
        {"name": names.VOLUME_WORKSPACE, "mountPath": WORKSPACE_PATH},
        *(_cli_mounts() if workloads.docker_cli else []),
    ]
    return fields | {
        "env": [{"name": DOCKER_HOST, "value": f"unix://{SOCKET}"}, *fields.get("env", [])],
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
    """Of every Secret that a workload refers to, in the order of the spec."""
    found = [volume.secret.secret_name for volume in workloads.volumes or [] if volume.secret is not None]
    for container in workloads.containers:
        sources = [item.value_from.secret_key_ref for item in container.env or [] if item.value_from is not None]
        found += [source.name for source in sources if source is not None]
        found += [item.secret_ref.name for item in container.env_from or [] if item.secret_ref is not None]
    return found

"""Claims on directories of the node: at most one environment uses a directory.

An existing pod keeps its directory. Among environments without a pod the oldest has precedence, unless it is stopped. Environments
with node selectors for different host names may use the same path. If two pods are created at the same time, a lock on the directory
decides (node/internal/storage).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.names import VOLUME_DOCKER_DATA
from dind_operator.api.spec import OperatingMode
from dind_operator.api.status import Phase
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, blocked

HOSTNAME = "kubernetes.io/hostname"
_STOPPED = (Phase.FAILED.value, Phase.SUSPENDED.value, Phase.SUCCEEDED.value)


@dataclass(frozen=True, slots=True)
class Rival:
    """Another environment. ``held`` is the directory of its pod, ``wanted`` the one in its spec; ``since`` orders by age."""

    name: str
    uid: str
    since: str
    held: str | None
    wanted: str | None
    hostname: str | None


def wanted(environment: Mapping[str, Any]) -> str | None:
    """The directory in the spec of a manifest."""
    storage = (environment.get("spec") or {}).get("storage") or {}
    path: str | None = (storage.get("hostPath") or {}).get("path")
    return path


def of(environment: DindEnvironment) -> str | None:
    """The directory in the spec of an environment."""
    host_path = environment.spec.storage.host_path
    return None if host_path is None else host_path.path


def of_pod(pod: pods.Pod) -> str | None:
    """The directory of the node that a pod uses."""
    prefix = (pods.docker_volume(pod).get("hostPath") or {}).get("path")
    mounts = pods.daemon_container(pod).get("volumeMounts") or []
    directory = next((mount.get("subPath") for mount in mounts if mount.get("name") == VOLUME_DOCKER_DATA), None)
    return f"{prefix}/{directory}" if prefix and directory else None


def rivals(environments: Iterable[dict[str, Any]], with_directories: Iterable[pods.Pod]) -> list[Rival]:
    """All environments that use or request a directory. A pod keeps its directory even if the spec has changed."""
    held: dict[str, tuple[str, pods.Pod]] = {}
    for pod in with_directories:
        owner, path = pods.controller(pod), of_pod(pod)
        if owner is not None and path is not None and pods.owner_name(pod) and not pods.ended(pod):
            held[str(owner.get("uid"))] = (path, pod)
    found = [_rival(environment, held.pop(environment["metadata"]["uid"], None)) for environment in environments]
    # Pods of environments that were deleted, or whose spec no longer has a directory.
    found += [_of_pod_alone(uid, path, pod) for uid, (path, pod) in held.items()]
    return [rival for rival in found if rival.held or rival.wanted]


def taken(environment: DindEnvironment, others: Iterable[Rival]) -> Assessment | None:
    """The assessment if another environment uses the directory; None if the directory is free."""
    path = of(environment)
    if path is None:
        return None
    hostname = (environment.spec.scheduling.node_selector or {}).get(HOSTNAME)
    for other in others:
        if hostname and other.hostname and hostname != other.hostname:
            continue
        theirs = _before(environment, path, other)
        if theirs is not None:
            return blocked(
                Reason.HOST_PATH_IN_USE,
                f"spec.storage.hostPath.path {path} is in use: the environment {other.name} uses {theirs}. Choose another "
                f"directory, or run each environment on another node with {HOSTNAME} in spec.scheduling.nodeSelector.",
            )
    return None


def _before(environment: DindEnvironment, path: str, other: Rival) -> str | None:
    """The conflicting directory of another environment that has precedence; None without a conflict."""
    if other.held is not None and _overlap(path, other.held):
        return other.held
    older = (other.since, other.uid) < (environment.creation_timestamp, environment.uid)
    return other.wanted if other.wanted is not None and older and _overlap(path, other.wanted) else None


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _rival(environment: dict[str, Any], held: tuple[str, pods.Pod] | None) -> Rival:
    metadata, spec = environment["metadata"], environment.get("spec") or {}
    suspended = spec.get("operatingMode") == OperatingMode.SUSPENDED
    stopped = (
        suspended or (environment.get("status") or {}).get("phase") in _STOPPED or metadata.get("deletionTimestamp")
    )
    return Rival(
        name=f"{metadata['namespace']}/{metadata['name']}",
        uid=metadata["uid"],
        since=metadata.get("creationTimestamp") or "",
        held=held[0] if held else None,
        wanted=None if stopped else wanted(environment),
        hostname=((spec.get("scheduling") or {}).get("nodeSelector") or {}).get(HOSTNAME),
    )


def _of_pod_alone(uid: str, path: str, pod: pods.Pod) -> Rival:
    return Rival(
        name=f"{pod['metadata']['namespace']}/{pods.owner_name(pod)}",
        uid=uid,
        since="",
        held=path,
        wanted=None,
        hostname=(pod["spec"].get("nodeSelector") or {}).get(HOSTNAME),
    )

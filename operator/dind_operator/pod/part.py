"""The additions of one feature to the pod. ``controller.pod_manifest`` merges them in the order of the features."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPart:
    """Additions to the pod. The defaults add nothing."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    pod_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the spec of the pod, which take precedence over the common ones."""
    pod_security: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the security context of the pod."""
    container_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the init container and the daemon. Both have the same fields, so that the checks are valid for both."""
    volumes: Sequence[Manifest] = ()
    mounts: Sequence[Manifest] = ()
    """Mounts of the init container and the daemon."""
    init_mounts: Sequence[Manifest] = ()
    daemon_mounts: Sequence[Manifest] = ()
    variables: Mapping[str, str | Manifest] = field(default_factory=dict)
    """Environment variables of the init container and the daemon: a value, or a ``valueFrom``."""
    node_config: Mapping[str, Any] = field(default_factory=dict)
    """Members of NodeConfig, the configuration of dind-node; no two features set the same one."""
    workload_variables: Mapping[str, str | Manifest] = field(default_factory=dict)
    """Environment variables of workloads that do not set them: a value, or a ``valueFrom``."""
    daemon_json: Mapping[str, Any] = field(default_factory=dict)
    """Keys of daemon.json, which take precedence over those of the user."""
    listen: Sequence[str] = ()
    """Addresses on which dockerd listens in addition to its socket."""
    ready_file: str | None = None
    """The daemon is not ready before this file exists."""
    grace_seconds: int = 0
    """Seconds that are added to the grace period of the pod."""


_MAPPINGS: Final = (
    "annotations",
    "pod_fields",
    "pod_security",
    "container_fields",
    "variables",
    "node_config",
    "workload_variables",
    "daemon_json",
)
_SEQUENCES: Final = ("volumes", "mounts", "init_mounts", "daemon_mounts", "listen")


def merged(parts: Iterable[PodPart]) -> PodPart:
    """All parts merged in their order: mappings are joined, sequences concatenated and seconds added."""
    every = tuple(parts)
    whole: dict[str, Any] = {}
    for name in _MAPPINGS:
        joined: dict[str, Any] = {}
        for part in every:
            joined.update(getattr(part, name))
        whole[name] = joined
    for name in _SEQUENCES:
        whole[name] = [item for part in every for item in getattr(part, name)]
    files = [part.ready_file for part in every if part.ready_file is not None]
    return PodPart(
        **whole,
        ready_file=files[-1] if files else None,
        grace_seconds=sum(part.grace_seconds for part in every),
    )

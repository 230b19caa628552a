"""What one feature adds to the pod. The skeleton in ``controller.manifest`` puts the parts together in the features' order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPart:
    """Each field adds to the pod; the default adds nothing."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    pod_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the pod's spec, over those of the skeleton."""
    container_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the init container and of the daemon's: both have the same, or the first would prove nothing about the second."""
    volumes: Sequence[Manifest] = ()
    mounts: Sequence[Manifest] = ()
    """In the init container and in the daemon's."""
    init_mounts: Sequence[Manifest] = ()
    daemon_mounts: Sequence[Manifest] = ()
    variables: Mapping[str, str | Manifest] = field(default_factory=dict)
    """Of the init container and of the daemon's: a value, or a ``valueFrom``."""
    daemon_variables: Mapping[str, str] = field(default_factory=dict)
    daemon_json: Mapping[str, Any] = field(default_factory=dict)
    """Keys of daemon.json, over the user's."""
    listen: Sequence[str] = ()
    """Addresses on which dockerd listens beside its socket."""
    ready_file: str | None = None
    """The daemon is ready only once this file is there."""
    grace_seconds: int = 0
    """What the pod's grace period is longer by."""


_MAPPINGS: Final = (
    "annotations",
    "pod_fields",
    "container_fields",
    "variables",
    "daemon_variables",
    "daemon_json",
)
_SEQUENCES: Final = ("volumes", "mounts", "init_mounts", "daemon_mounts", "listen")


def merged(parts: Iterable[PodPart]) -> PodPart:
    """All of them in one, in their order: mappings are joined, sequences follow each other, and seconds are added."""
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

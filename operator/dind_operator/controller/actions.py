"""What a plan may do to the cluster. Everything else is status."""

from dataclasses import dataclass, field
from typing import Any

from dind_operator.state.cluster import Event


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create the environment's pod."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod with this uid. ``force`` only for a pod on a node that is gone."""

    uid: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class RepairMetadata:
    """Put back labels and annotations of ours."""

    metadata: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class DeleteEnvironment:
    """Delete the environment itself, as long as it still is what was planned for."""


Action = CreatePod | DeletePod | RepairMetadata | DeleteEnvironment


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order and the status that then is true.

    ``status`` None: nothing at all is to be written. ``status_first``: what of the status must outlive the actions is stored
    before them (``status.surviving``), because they destroy what it tells of. ``requeue_after``: seconds after which to look
    again although nothing changed.
    """

    actions: tuple[Action, ...] = ()
    status: dict[str, Any] | None = None
    status_first: bool = False
    requeue_after: float | None = None
    events: tuple[Event, ...] = field(default=())


NOTHING = Plan()

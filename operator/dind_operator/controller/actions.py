"""Plans: the actions on the cluster, and the status."""

from dataclasses import dataclass, field
from typing import Any

from dind_operator.state.cluster import Event


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create the environment's pod."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod with this uid. ``force`` is only for a pod on a node that is gone."""

    uid: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class RepairMetadata:
    """Restore labels and annotations of the operator."""

    metadata: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class DeleteEnvironment:
    """Delete the environment, if it has not changed since it was observed."""


Action = CreatePod | DeletePod | RepairMetadata | DeleteEnvironment


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in their order, and the status after them.

    ``status`` None: no status is written. ``status_first``: the part of the status that cannot be observed after the actions
    (``status.surviving``) is stored before them. ``requeue_after``: seconds until the next reconciliation without a change.
    """

    actions: tuple[Action, ...] = ()
    status: dict[str, Any] | None = None
    status_first: bool = False
    requeue_after: float | None = None
    events: tuple[Event, ...] = field(default=())


NOTHING = Plan()

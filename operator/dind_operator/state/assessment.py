"""The assessment of an environment: phase, Ready, and the other conditions."""

from dataclasses import dataclass, field, replace

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus, Phase


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition without its times."""

    status: ConditionStatus
    reason: Reason
    message: str

    @staticmethod
    def true(reason: Reason, message: str) -> "Condition":
        """With the status True."""
        return Condition(ConditionStatus.TRUE, reason, message)

    @staticmethod
    def false(reason: Reason, message: str) -> "Condition":
        """With the status False."""
        return Condition(ConditionStatus.FALSE, reason, message)

    @staticmethod
    def unknown(reason: Reason, message: str) -> "Condition":
        """With the status Unknown."""
        return Condition(ConditionStatus.UNKNOWN, reason, message)


@dataclass(frozen=True, slots=True)
class Assessment:
    """``conditions`` contains the conditions other than Ready. Omitted ones are Unknown with the reason of Ready.

    ``warning``: a Warning Event is recorded for the reason of Ready. ``refused``: why the spec is not applied, while the pod of an
    older spec is kept.
    """

    phase: Phase
    ready: Condition
    conditions: dict[ConditionType, Condition] = field(default_factory=dict)
    warning: bool = False
    refused: Condition | None = None


def waiting(
    phase: Phase, reason: Reason, message: str, conditions: dict[ConditionType, Condition] | None = None
) -> Assessment:
    """Not ready, without a problem."""
    return Assessment(phase, Condition.false(reason, message), conditions or {})


def late() -> Assessment:
    """A daemon that responded before, and does not respond in time."""
    message = (
        "dockerd is running but does not respond in time: it is overloaded or hangs. Builds continue. If dockerd does not "
        "recover, the liveness probe restarts it."
    )
    return replace(waiting(Phase.RECOVERING, Reason.DAEMON_NOT_READY, message), warning=True)


def blocked(reason: Reason, message: str, conditions: dict[ConditionType, Condition] | None = None) -> Assessment:
    """Not ready until a user or an administrator changes something."""
    return Assessment(Phase.FAILED, Condition.false(reason, message), conditions or {}, warning=True)

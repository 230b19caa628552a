"""One look at an environment, in words: phase, Ready, and the other conditions."""

from dataclasses import dataclass, field, replace

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus, Phase


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without its times."""

    status: ConditionStatus
    reason: Reason
    message: str

    @staticmethod
    def true(reason: Reason, message: str) -> "Condition":
        """Holds."""
        return Condition(ConditionStatus.TRUE, reason, message)

    @staticmethod
    def false(reason: Reason, message: str) -> "Condition":
        """Does not hold."""
        return Condition(ConditionStatus.FALSE, reason, message)

    @staticmethod
    def unknown(reason: Reason, message: str) -> "Condition":
        """Nobody can tell yet."""
        return Condition(ConditionStatus.UNKNOWN, reason, message)


@dataclass(frozen=True, slots=True)
class Assessment:
    """``parts`` holds the conditions other than Ready; what it leaves out is Unknown with Ready's own reason.

    ``trouble``: Ready is False for something that a person should hear of (a Warning event).
    """

    phase: Phase
    ready: Condition
    conditions: dict[ConditionType, Condition] = field(default_factory=dict)
    warning: bool = False


def waiting(
    phase: Phase, reason: Reason, message: str, conditions: dict[ConditionType, Condition] | None = None
) -> Assessment:
    """Not ready, and nothing is wrong."""
    return Assessment(phase, Condition.false(reason, message), conditions or {})


def late() -> Assessment:
    """A daemon that has answered and does not, or not in time."""
    message = (
        "dockerd is running but does not respond in time: it is overloaded or hangs. Builds continue. If dockerd does not "
        "recover, the liveness probe restarts it."
    )
    return replace(waiting(Phase.RECOVERING, Reason.DAEMON_NOT_READY, message), warning=True)


def blocked(reason: Reason, message: str, conditions: dict[ConditionType, Condition] | None = None) -> Assessment:
    """Not ready until somebody changes something."""
    return Assessment(Phase.FAILED, Condition.false(reason, message), conditions or {}, warning=True)

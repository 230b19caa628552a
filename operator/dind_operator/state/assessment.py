"""One look at an environment, in words: phase, Ready, and the other conditions."""

from dataclasses import dataclass, field, replace

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus, Phase


@dataclass(frozen=True, slots=True)
class Part:
    """One condition without its times."""

    status: ConditionStatus
    reason: Reason
    message: str

    @staticmethod
    def true(reason: Reason, message: str) -> "Part":
        """Holds."""
        return Part(ConditionStatus.TRUE, reason, message)

    @staticmethod
    def false(reason: Reason, message: str) -> "Part":
        """Does not hold."""
        return Part(ConditionStatus.FALSE, reason, message)

    @staticmethod
    def unknown(reason: Reason, message: str) -> "Part":
        """Nobody can tell yet."""
        return Part(ConditionStatus.UNKNOWN, reason, message)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``parts`` holds the conditions other than Ready; what it leaves out is Unknown with Ready's own reason.

    ``trouble``: Ready is False for something that a person should hear of (a Warning event).
    """

    phase: Phase
    ready: Part
    parts: dict[ConditionType, Part] = field(default_factory=dict)
    trouble: bool = False


def waiting(phase: Phase, reason: Reason, message: str, parts: dict[ConditionType, Part] | None = None) -> Verdict:
    """Not ready, and nothing is wrong."""
    return Verdict(phase, Part.false(reason, message), parts or {})


def late() -> Verdict:
    """A daemon that has answered and does not, or not in time."""
    message = (
        "dockerd runs and does not answer in time: it is overloaded or hangs. Builds go on; nothing is restarted yet."
    )
    return replace(waiting(Phase.RECOVERING, Reason.DAEMON_NOT_READY, message), trouble=True)


def blocked(reason: Reason, message: str, parts: dict[ConditionType, Part] | None = None) -> Verdict:
    """Not ready until somebody changes something."""
    return Verdict(Phase.FAILED, Part.false(reason, message), parts or {}, trouble=True)

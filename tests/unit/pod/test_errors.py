"""What cannot be built is told with a reason and a sentence."""

from dind_operator.api.conditions import Reason
from dind_operator.pod.errors import UnbuildableError


def test_it_carries_reason_and_message() -> None:
    error = UnbuildableError(Reason.INVALID_DAEMON_CONFIG, "too large")
    assert (error.reason, error.message, str(error)) == (Reason.INVALID_DAEMON_CONFIG, "too large", "too large")

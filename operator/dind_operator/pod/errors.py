"""The one error of this layer."""

from dind_operator.api.conditions import Reason


class UnbuildableError(Exception):
    """A spec that the API server accepted and from which no working pod can be made.

    ``message`` is for the user: what is wrong, where, what to do.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

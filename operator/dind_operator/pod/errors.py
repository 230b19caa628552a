"""The error of this package."""

from dind_operator.api.conditions import Reason


class UnbuildableError(Exception):
    """The API server accepted the spec, but no working pod can be created from it.

    ``message`` is for users: what is wrong, where, and what to do.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

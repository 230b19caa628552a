"""Errors of the commands, each with a message and an exit code. docs/kubectl-dind.md documents the exit codes."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. `docker`, `shell` and `logs` exit with the code of the program that they run, once it has started."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    UNREACHABLE = 5
    NOT_READY = 6
    NOT_USABLE = 7
    REJECTED = 8
    MISSING_PROGRAM = 127


class CliError(Exception):
    """The message says what is wrong, where, and what to do. ``code`` is the exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class NotFoundError(CliError):
    """The named object does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.NOT_FOUND)


class NotInstalledError(NotFoundError):
    """The cluster does not serve the API of DindEnvironments."""

    def __init__(self) -> None:
        super().__init__(
            "the cluster does not serve DindEnvironments. Install the chart of the operator, or check the context."
        )

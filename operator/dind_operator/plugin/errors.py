"""How a command ends that cannot do what it was asked: a sentence and an exit code, documented in docs/kubectl-dind.md."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. `docker`, `shell` and `logs` end with the code of what they run, once that runs."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    UNREACHABLE = 5
    NOT_READY = 6
    NOT_USABLE = 7
    REFUSED = 8
    MISSING_PROGRAM = 127


class CliError(Exception):
    """The message says what is wrong, where, and what to do; ``code`` is the exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class NotFoundError(CliError):
    """What was asked for by name is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.NOT_FOUND)

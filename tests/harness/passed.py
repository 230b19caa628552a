"""Records that the cluster's own tests passed, for one state of what they depend on, so that `make test` need not repeat them.

The record is a file in the project's cache, named after that state: a checkout that goes back to an older state finds it there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.instance import cache_root


@dataclass(frozen=True)
class Stamp:
    """`key` is the state of the dependencies (see dependencies.py)."""

    key: str

    @property
    def file(self) -> Path:
        return cache_root() / "passed" / f"harness-{self.key}"

    def date(self) -> datetime | None:
        """When the tests passed in this state, in UTC; None if they have not."""
        try:
            return datetime.fromisoformat(json.loads(self.file.read_text())["passed"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, now: datetime) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps({"passed": now.isoformat(timespec="seconds")}) + "\n")
        temporary.replace(self.file)


def due(key: str) -> tuple[bool, str]:
    """Whether the tests have to run, and the sentence for the person."""
    date = Stamp(key).date()
    if date is None:
        return True, "The tests of the embedded cluster must run: they have not passed on this machine for this code."
    return False, (
        f"The tests of the embedded cluster passed for this code on {date:%Y-%m-%d at %H:%M} UTC; "
        "`make test-harness` runs them again."
    )


def run(tests: Callable[[], int], key: Callable[[], str]) -> int:
    """Runs the whole tier by `tests`, which returns pytest's exit code, and records that it passed, if it did.

    Nothing is recorded when a dependency was changed meanwhile: nobody knows which state was tested.
    """
    before = key()
    code = tests()
    if code == 0 and key() == before:
        Stamp(before).write(datetime.now(UTC))
    return code

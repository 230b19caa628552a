"""The table of docs/versions.md that `make matrix` writes. The rest of the page is written by hand and stays.

A row is of the last run of its part. Parts that a run leaves out keep their row, with its date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.matrix.junit import Counts

BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"
_HEAD = ("part", "versions in use", "result", "date (UTC), commit", "duration")
NOT_RUN = "**not run**"
# Exit codes of pytest.
_ALL_PASSED, _SOME_FAILED, _INTERRUPTED, _NONE_SELECTED = 0, 1, 2, 5


class PageError(Exception):
    """The page has no place for the table."""


@dataclass(frozen=True)
class Row:
    """One run of a part. `versions` are the programs in use by name, `seconds` the duration, None if nothing ran."""

    versions: Mapping[str, Sequence[str]]
    result: str
    started: datetime
    commit: str = ""
    seconds: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the part ran to its end and no test failed: only what went wrong is bold."""
        return not self.result.startswith("**")

    def cells(self) -> list[str]:
        versions = ", ".join(f"{name} {' and '.join(found)}" for name, found in self.versions.items() if found)
        date = f"{self.started.astimezone(UTC):%Y-%m-%d %H:%M}" + (f", {self.commit}" if self.commit else "")
        return [versions, self.result, date, "" if self.seconds is None else duration(self.seconds)]


def result(code: int, counts: Counts) -> str:
    """The outcome of a run that ended with pytest's exit code `code`, in words."""
    numbers = [(counts.failed, "failed"), (counts.passed, "passed"), (counts.skipped, "skipped")]
    text = ", ".join(f"{number} {word}" for number, word in numbers if number)
    if code == _ALL_PASSED:
        return text
    if code == _SOME_FAILED:
        return f"**failed**: {text or 'no test failed; see the output'}"
    if code == _NONE_SELECTED:
        return f"{NOT_RUN}: no test is selected"
    cause = "interrupted" if code == _INTERRUPTED else f"pytest ended with exit code {code}"
    if not text:
        return f"{NOT_RUN}: {cause}"
    # The test that was cut off is among those that did not fail, so these are not counted.
    return f"**not run to the end**: {cause}" + (f", {counts.failed} failed" if counts.failed else "")


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def updated(text: str, titles: Sequence[str], rows: Mapping[str, Row]) -> str:
    """The page with a row for each of `titles`: of this run, or of an earlier one, or one that says that there was none."""
    before, table, after = _parts(text)
    earlier = {cells[0]: cells for cells in map(_cells, table.splitlines()) if len(cells) == len(_HEAD)}
    none = [NOT_RUN if name == "result" else "" for name in _HEAD[1:]]
    lines = [_line(_HEAD), "|" + "---|" * len(_HEAD)]
    for title in titles:
        lines.append(_line([title, *rows[title].cells()] if title in rows else earlier.get(title, [title, *none])))
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def by_hand(text: str) -> str:
    """The page without the table."""
    before, _, after = _parts(text)
    return before + after


def _parts(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise PageError(f"The page needs the comments {BEGIN} and {END}, each once, in this order.")
    return before, table, after


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]

"""Numbers as a reader wants them: medians with their range, tables, and budgets that were met or were not."""

from __future__ import annotations

import os
import platform
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Budget:
    """A bound on a measured value. `ratio`: it compares two things of the same run, so it holds on any machine."""

    what: str
    measured: float
    bound: float
    at_most: bool
    unit: str = ""
    ratio: bool = False

    @property
    def met(self) -> bool:
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound

    def within(self, margin: float) -> bool:
        """Met with a bound that is wider by the factor `margin`."""
        return self.measured <= self.bound * margin if self.at_most else self.measured >= self.bound / margin

    def row(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        unit = f" {self.unit}" if self.unit else ""
        return [
            self.what,
            f"{sign} {self.bound:g}{unit}",
            f"{self.measured:.3g}{unit}",
            "yes" if self.met else "**no**",
        ]


@dataclass
class Section:
    """A part of the page. `lines` are Markdown."""

    key: str
    title: str
    lines: list[str] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)

    def text(self) -> str:
        body = [f"## {self.title}", "", f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.", "", *self.lines]
        if self.budgets:
            body += ["", *table(["budget", "bound", "measured", "met"], [budget.row() for budget in self.budgets])]
        return f"<!-- {self.key} -->\n" + "\n".join(body) + f"\n<!-- /{self.key} -->"


def spread(values: Sequence[float], digits: int = 2) -> list[str]:
    """Median, least and greatest, for three cells."""
    return [f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))]


def prose(text: str) -> list[str]:
    """A paragraph as lines of the width of the other pages."""
    return textwrap.wrap(" ".join(text.split()), 130)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; all columns but the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def machine() -> str:
    """What of this machine decides the numbers, without its name."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    gibibytes = int(memory.split()[1]) / (1 << 20)
    release = ".".join(platform.release().split("-")[0].split(".")[:3])
    return f"{os.cpu_count()} cores ({model}), {gibibytes:.0f} GiB, Linux {release}, load {os.getloadavg()[1]:.1f} at the end"


def put(page: Path, sections: Sequence[Section], preface: str) -> None:
    """Writes the sections into the page, each over its older self; other sections stay."""
    text = page.read_text() if page.exists() else preface + "\n"
    for section in sections:
        begin, end = f"<!-- {section.key} -->", f"<!-- /{section.key} -->"
        if begin in text and end in text:
            text = text[: text.index(begin)] + section.text() + text[text.index(end) + len(end) :]
        else:
            text = text.rstrip("\n") + "\n\n" + section.text() + "\n"
    page.write_text(text)

"""What the parts of the gate came to: read from pytest's own XML, shown as a table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

SLOWEST = 10
REASON_LINES = 12


@dataclass(frozen=True)
class Case:
    """One test: its name as pytest takes it, its seconds with set-up and tear-down, how it ended, and what it says of that."""

    name: str
    seconds: float
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Results:
    """One part: its name, its seconds, the exit code of make, and its tests, if it has any."""

    name: str
    seconds: float
    code: int
    cases: tuple[Case, ...] = ()

    def ended(self, outcome: str) -> list[Case]:
        return [case for case in self.cases if case.outcome == outcome]

    @property
    def passed(self) -> bool:
        """A test that was skipped is not a test that passed."""
        return self.code == 0 and not self.ended("skipped")


def read(name: str, file: Path, seconds: float, code: int) -> Results:
    """The results of a part from the XML file that pytest wrote, if it did."""
    if not file.exists():
        return Results(name, seconds, code)
    cases = tuple(_case(element) for element in ElementTree.parse(file).iter("testcase"))
    return Results(name, seconds, code, cases)


def _case(element: ElementTree.Element) -> Case:
    outcomes = ("error", "failure", "skipped")
    found = next((child for kind in outcomes if (child := element.find(kind)) is not None), None)
    module = element.get("classname", "").replace(".", "/")
    outcome, reason = ("passed", "") if found is None else (found.tag, found.get("message", ""))
    return Case(f"{module}.py::{element.get('name')}", float(element.get("time", 0)), outcome, reason)


def table(parts: Sequence[Results], seconds: float) -> tuple[str, bool]:
    """The text for the end of a run, and whether all of it passed."""
    lines = ["", f"    {'part':<14} {'time':>7}  tests"]
    for part in parts:
        lines.append(f"    {part.name:<14} {part.seconds:>5.0f} s  {_counts(part)}".rstrip())
    cases = [case for part in parts for case in part.cases]
    slowest = sorted(cases, key=lambda case: case.seconds, reverse=True)[:SLOWEST]
    if slowest:
        lines += ["", f"    the {len(slowest)} slowest tests"]
        lines += [f"    {case.seconds:>7.1f} s  {case.name}" for case in slowest]
    for title, outcomes in (("failed", ("failure", "error")), ("skipped, which is a failure", ("skipped",))):
        named = [case for case in cases if case.outcome in outcomes]
        if named:
            lines += ["", f"    {title}"]
        for case in named:
            # The output of a run may be cut in the middle: its end is to say why.
            lines += [f"      {case.name}", *(f"        {line}" for line in case.reason.splitlines()[:REASON_LINES])]
    failed = [part.name for part in parts if not part.passed]
    good = sum(case.outcome == "passed" for case in cases)
    lines += ["", f"{'FAILED: ' + ', '.join(failed) if failed else 'all parts passed'}, in {seconds / 60:.1f} minutes"]
    lines += [f"{good} passed, {sum(case.outcome in ('failure', 'error') for case in cases)} failed"]
    return "\n".join(lines), not failed


def _counts(part: Results) -> str:
    bad = len(part.ended("failure")) + len(part.ended("error"))
    told = [f"{len(part.ended('passed'))} passed"] if part.cases else []
    told += [f"{bad} FAILED"] if bad else []
    told += [f"{len(part.ended('skipped'))} SKIPPED"] if part.ended("skipped") else []
    if part.code and not bad:
        told.append(f"FAILED (exit code {part.code})")
    return ", ".join(told)

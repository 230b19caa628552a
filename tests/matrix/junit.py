"""The result of one run of pytest, out of the file that `--junitxml` writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

# A test reports a version that it ran with by pytest's `record_property(VERSION_PROPERTY + "Docker", "28.5.2")`.
VERSION_PROPERTY = "version:"


@dataclass(frozen=True)
class Counts:
    """Numbers of tests, and the versions that the tests reported, by program."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    versions: dict[str, list[str]] = field(default_factory=dict)


def read(file: Path) -> Counts:
    """What is in the file; no tests when pytest ended before it wrote one."""
    try:
        cases = list(ElementTree.parse(file).getroot().iter("testcase"))
    except (FileNotFoundError, ElementTree.ParseError):
        return Counts()
    # By name: a test that fails and then fails to clean up stands there twice.
    every = {_name(case) for case in cases}
    failed = {_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    skipped = {_name(case) for case in cases if case.find("skipped") is not None} - failed
    versions: dict[str, list[str]] = {}
    for case in cases:
        for found in case.iter("property"):
            name, value = found.get("name", ""), found.get("value", "")
            if name.startswith(VERSION_PROPERTY):
                known = versions.setdefault(name.removeprefix(VERSION_PROPERTY), [])
                if value not in known:
                    known.append(value)
    return Counts(len(every - failed - skipped), len(failed), len(skipped), versions)


def _name(case: ElementTree.Element) -> tuple[str, str]:
    return case.get("classname", ""), case.get("name", "")

"""Docker's programs have no known vulnerability that could be gone by a newer version, but for those with a reason.

The database is one of a day (VULNDB in image/daemon/versions), so that the same commit always has the same result.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import programs, vulnerabilities

# Vulnerability: why it stays. A program's maintainers choose the modules that it is made of; one of another version is not theirs.
ACCEPTED: dict[str, str] = {}


def built(project: str) -> list[Path]:
    return sorted(file for file in programs.folder(project).glob("*/*") if file.is_file())


@pytest.mark.parametrize("project", programs.PROJECTS)
def test_no_vulnerability_is_known_that_is_not_accepted(project: str) -> None:
    found = {(file.name, finding) for file in built(project) for finding in vulnerabilities.findings(file)}
    assert sorted(item for item in found if item[1].vulnerability not in ACCEPTED) == []


def test_what_is_accepted_is_still_there() -> None:
    files = [file for project in programs.PROJECTS for file in built(project)]
    found = {item.vulnerability for file in files for item in vulnerabilities.findings(file)}
    assert set(ACCEPTED) - found == set()

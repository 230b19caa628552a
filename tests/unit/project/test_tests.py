"""That the tests which are there are run."""

from __future__ import annotations

import pytest
from tests.demo.place import ROOT


def test_pytest_looks_into_every_folder_of_tests(request: pytest.FixtureRequest) -> None:
    """Its own list of folders to pass over has names that a package may well have: `build`, `dist`."""
    passed_over: list[str] = request.config.getini("norecursedirs")
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert len(folders) > 10
    for folder in folders:
        for part in folder.relative_to(ROOT).parts:
            assert part not in passed_over

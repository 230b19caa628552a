"""What pytest writes is counted as pytest means it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.matrix.junit import Counts, read

TESTS = """
import pytest

@pytest.fixture
def broken():
    raise RuntimeError

@pytest.fixture
def breaks_at_its_end():
    yield
    raise RuntimeError

def test_passes(record_property):
    record_property("version:Docker", "28.5.2")
    record_property("other", "1")

@pytest.mark.parametrize("version", ["20.10.5", "28.5.2"])
def test_passes_with(record_property, version):
    record_property("version:Docker", version)

def test_fails():
    assert False

def test_has_no_fixture(broken):
    pass

def test_ends_badly(breaks_at_its_end):
    pass

def test_fails_and_ends_badly(breaks_at_its_end):
    assert False

@pytest.mark.skip
def test_is_skipped():
    pass
"""


def test_the_file_that_pytest_writes(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    report = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(tmp_path)]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    assert read(report) == Counts(3, 4, 1, {"Docker": ["28.5.2", "20.10.5"]})


def test_a_run_that_wrote_nothing_or_half_of_it_has_no_tests(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.xml") == Counts()
    (tmp_path / "half.xml").write_text("<testsuites><testsuite>")
    assert read(tmp_path / "half.xml") == Counts()

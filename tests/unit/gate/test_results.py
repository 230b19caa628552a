"""The table at the end of a run: what people read, and what decides whether the run passed."""

from __future__ import annotations

from pathlib import Path

from tests.gate.results import Case, Results, read, table

XML = """<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="9.0">
<testcase classname="tests.unit.test_a" name="test_one[x]" time="0.5" />
<testcase classname="tests.unit.test_a" name="test_two" time="7.25"><failure message="no">why</failure></testcase>
<testcase classname="tests.unit.test_b" name="test_three" time="0.1"><error message="set-up">why</error></testcase>
<testcase classname="tests.unit.test_b" name="test_four" time="0"><skipped message="gone" /></testcase>
</testsuite></testsuites>"""


def case(name: str, seconds: float = 1.0, outcome: str = "passed", reason: str = "") -> Case:
    return Case(name, seconds, outcome, reason)


def test_results_are_read_from_what_pytest_wrote(tmp_path: Path) -> None:
    file = tmp_path / "unit.xml"
    file.write_text(XML)
    assert read("unit", file, 12.0, 1) == Results(
        "unit",
        12.0,
        1,
        (
            case("tests/unit/test_a.py::test_one[x]", 0.5),
            case("tests/unit/test_a.py::test_two", 7.25, "failure", "no"),
            case("tests/unit/test_b.py::test_three", 0.1, "error", "set-up"),
            case("tests/unit/test_b.py::test_four", 0.0, "skipped", "gone"),
        ),
    )


def test_a_part_without_tests_has_none(tmp_path: Path) -> None:
    assert read("lint", tmp_path / "lint.xml", 3.0, 0) == Results("lint", 3.0, 0)


def test_the_table_of_a_run_that_passed() -> None:
    cases = tuple(case(f"t.py::test_{number}", float(number)) for number in range(12))
    text, passed = table([Results("lint", 20.4, 0), Results("unit", 45.0, 0, cases)], 95.0)
    assert passed
    lines = [line.strip() for line in text.splitlines()]
    assert "lint              20 s" in lines
    assert "unit              45 s  12 passed" in lines
    slowest = lines.index("the 10 slowest tests")
    assert lines[slowest + 1] == "11.0 s  t.py::test_11"
    assert "1.0 s  t.py::test_1" not in lines
    assert lines[-2:] == ["all parts passed, in 1.6 minutes", "12 passed, 0 failed"]


def test_what_failed_is_named() -> None:
    bad = Results(
        "e2e",
        60.0,
        2,
        (case("a.py::test_a"), case("a.py::test_b", outcome="failure", reason="\n".join("abcdefghijklmnop"))),
    )
    text, passed = table([bad, Results("lint", 1.0, 2)], 61.0)
    assert not passed
    lines = [line.strip() for line in text.splitlines()]
    assert "e2e               60 s  1 passed, 1 FAILED" in lines
    assert "lint               1 s  FAILED (exit code 2)" in lines
    # Its message is bounded, and the last lines are still the sum.
    assert "".join(lines[lines.index("failed") + 1 : -3]) == "a.py::test_babcdefghijkl"
    assert lines[-2:] == ["FAILED: e2e, lint, in 1.0 minutes", "1 passed, 1 failed"]


def test_a_skipped_test_fails_the_run() -> None:
    text, passed = table([Results("e2e", 1.0, 0, (case("a.py::test_a"), case("a.py::test_b", outcome="skipped")))], 1.0)
    assert not passed
    assert "skipped, which is a failure" in text
    assert "a.py::test_b" in text


def test_an_error_in_a_set_up_counts_as_a_failure() -> None:
    text, passed = table([Results("e2e", 1.0, 1, (case("a.py::test_a", outcome="error"),))], 1.0)
    assert not passed
    assert "1 FAILED" in text

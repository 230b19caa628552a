"""The table that `make matrix` writes: what ran, what failed, what did not run; the rest of the page stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.matrix.junit import Counts
from tests.matrix.page import BEGIN, END, PageError, Row, by_hand, duration, result, updated

PAGE = f"# Versions\n\nBy hand.\n\n{BEGIN}\n{END}\n\nMore | by hand.\n"
START = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
VERSIONS = {"Kubernetes": ["1.34.4"], "Docker": ["20.10.5", "28.5.2"], "runc": []}
HEAD = ["| part | versions in use | result | date (UTC), commit | duration |", "|---|---|---|---|---|"]


def table(text: str) -> list[str]:
    return text.partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0].splitlines()


def row(result: str = "12 passed", day: int = 1) -> Row:
    return Row(VERSIONS, result, START.replace(day=day), "1a2b3c4", 312)


def test_each_part_has_a_row_in_the_order_of_the_parts() -> None:
    text = updated(PAGE, ["Docker", "Helm 3"], {"Helm 3": row(), "Docker": row("**failed**: 1 failed, 3 passed")})
    versions = "Kubernetes 1.34.4, Docker 20.10.5 and 28.5.2"
    assert table(text) == [
        *HEAD,
        f"| Docker | {versions} | **failed**: 1 failed, 3 passed | 2026-12-01 09:05, 1a2b3c4 | 5 min |",
        f"| Helm 3 | {versions} | 12 passed | 2026-12-01 09:05, 1a2b3c4 | 5 min |",
    ]


def test_what_is_written_by_hand_stays() -> None:
    text = updated(PAGE, ["Docker"], {"Docker": row()})
    assert text.startswith(f"# Versions\n\nBy hand.\n\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\n\nMore | by hand.\n")
    assert by_hand(text) == by_hand(PAGE) == "# Versions\n\nBy hand.\n\n\n\nMore | by hand.\n"


def test_a_part_that_never_ran_is_said_to_be_so() -> None:
    assert table(updated(PAGE, ["Docker"], {})) == [*HEAD, "| Docker |  | **not run** |  |  |"]


def test_a_part_that_this_run_leaves_out_keeps_its_row_and_date() -> None:
    titles = ["Docker", "Helm 3"]
    first = updated(PAGE, titles, {"Docker": row(day=1), "Helm 3": row(day=1)})
    second = updated(first, titles, {"Helm 3": row("**failed**: 1 failed", day=2)})
    assert table(second)[2] == table(first)[2]
    assert "**failed**" in table(second)[3]
    assert "2026-12-02" in table(second)[3]
    assert updated(second, titles, {}) == second


def test_a_part_that_is_no_more_loses_its_row() -> None:
    text = updated(updated(PAGE, ["Old", "Docker"], {"Old": row()}), ["Docker"], {})
    assert "Old" not in text


def test_a_reason_keeps_to_its_cell() -> None:
    text = updated(PAGE, ["Docker"], {"Docker": Row({}, "**not run**: a | b\nc", START)})
    assert table(text)[2] == "| Docker |  | **not run**: a \\| b c | 2026-12-01 09:05 |  |"


def test_such_a_row_is_kept_as_it_is() -> None:
    text = updated(PAGE, ["Docker"], {"Docker": Row({}, "**not run**: a | b", START)})
    assert updated(text, ["Docker"], {}) == text


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, f"{END}\n{BEGIN}\n", f"{PAGE}{BEGIN}\n", f"{PAGE}{END}\n", f"{PAGE}{PAGE}"]
)
def test_a_page_without_a_place_for_the_table_is_refused(text: str) -> None:
    with pytest.raises(PageError, match=r"<!-- matrix -->"):
        updated(text, ["Docker"], {})


@pytest.mark.parametrize(
    ("code", "counts", "expected", "passed"),
    [
        (0, Counts(12), "12 passed", True),
        (0, Counts(12, 0, 2), "12 passed, 2 skipped", True),
        (1, Counts(3, 1), "**failed**: 1 failed, 3 passed", False),
        (1, Counts(), "**failed**: no test failed; see the output", False),
        (2, Counts(3), "**not run to the end**: interrupted", False),
        (2, Counts(), "**not run**: interrupted", False),
        (5, Counts(), "**not run**: no test is selected", False),
        (4, Counts(), "**not run**: pytest ended with exit code 4", False),
        (-9, Counts(2, 1), "**not run to the end**: pytest ended with exit code -9, 1 failed", False),
    ],
)
def test_the_result_in_words(code: int, counts: Counts, expected: str, passed: bool) -> None:
    assert result(code, counts) == expected
    assert row(expected).passed is passed


@pytest.mark.parametrize(("seconds", "expected"), [(4.4, "4 s"), (99.4, "99 s"), (100, "2 min"), (3700, "62 min")])
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected

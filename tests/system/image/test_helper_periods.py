"""How long the helper waits: the real values, and that nothing but a length of the minute which the operator may set changes them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import IMAGE

SOURCE = IMAGE / "dind-helper"
# All of the struct, in its order.
_PROGRAM = r"""
#include "helper.h"
#include <stdio.h>
int main(void) {
    struct periods all = periods();
    for (size_t i = 0; i < sizeof all / sizeof(long); i++)
        printf("%ld\n", ((const long *)&all)[i]);
}
"""
# Milliseconds: a check of volume and use, idle, its first and its last repetition, the first and the longest pause between pulls,
# another try to start a container, and how long a container may take to start.
REAL = [5_000, 60_000, 60_000, 600_000, 2_000, 60_000, 60_000, 60_000]

Periods = Callable[[str | None], list[int]]


@pytest.fixture(scope="session")
def periods(tmp_path_factory: pytest.TempPathFactory) -> Periods:
    """Milliseconds, by the value of the variable; None: it is not set."""
    folder = tmp_path_factory.mktemp("periods")
    (folder / "main.c").write_text(_PROGRAM)
    program: Path = folder / "periods"
    subprocess.run(["gcc", f"-I{SOURCE}", "-o", program, folder / "main.c", SOURCE / "periods.c"], check=True)

    def found(minute: str | None) -> list[int]:
        env = {} if minute is None else {"DIND_MINUTE_SECONDS": minute}
        done = subprocess.run([program], env=env, capture_output=True, text=True, check=True)
        return [int(line) for line in done.stdout.split()]

    return found


def test_the_real_periods(periods: Periods) -> None:
    assert periods(None) == REAL


def test_a_shorter_minute_shortens_all_of_them_alike(periods: Periods) -> None:
    assert periods("60") == REAL
    assert periods("30") == [value // 2 for value in REAL]
    assert periods("1") == [value // 60 for value in REAL]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "61",
        "99",
        "3600",
        "-3",
        "+3",
        "03",
        " 3",
        "3 ",
        "3s",
        "1.5",
        "1e1",
        "0x3",
        "9" * 40,
        str(2**64 + 3),
        "\u0663",
    ],
)
def test_what_is_no_length_of_a_minute_changes_nothing(periods: Periods, text: str) -> None:
    assert periods(text) == REAL

"""The benchmarks in short, against wide margins: a regression that anybody would feel fails, a noisy machine does not.

`make bench-short` runs them, after a change that may cost time; `make test` does not. Only ratios of one run are asserted.
The numbers themselves are for `make bench`, on a quiet machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bench.__main__ import INSTANCE, PARTS, SHORT
from tests.cluster import machine, teardown

MARGINS = {"cold-start": 2.0, "burst": 4.0}
"""By part; the reserve is a matter of megabytes, not of rates, and takes five minutes. A cold start comes in steps of a second.
Against pods alone a burst was seen at 0.14 to 0.19 on quiet cores and at half of that beside an emulated machine: half again
fails."""


@pytest.fixture(scope="module", autouse=True)
def _cluster_of_its_own() -> Iterator[None]:
    """Gone at the end, like all that tests start, unless somebody measures with it by hand."""
    machine.setup()
    running = INSTANCE.record_file.exists()
    yield
    if not running:
        teardown.down(INSTANCE)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", list(MARGINS))
def test_ratios_stay_within_a_wide_margin_of_their_budgets(part: str) -> None:
    section = PARTS[part](SHORT)
    print(section.text())
    ratios = [budget for budget in section.budgets if budget.ratio]
    assert ratios
    assert [budget.row() for budget in ratios if not budget.within(MARGINS[part])] == []

"""The chart's CRD is the repository's."""

from pathlib import Path

import pytest
from tests.helm import CHART

SOURCE = Path(__file__).parents[3] / "crds" / "dind.dev_dindenvironments.yaml"
COPY = CHART / "files" / SOURCE.name


def test_the_copy_is_the_source() -> None:
    assert COPY.read_bytes() == SOURCE.read_bytes(), "the chart's CRD differs from crds/: run `make chart-crds`"


@pytest.mark.parametrize("folder", ["crds"])
def test_helm_has_no_second_copy_that_it_never_updates(folder: str) -> None:
    assert not (CHART / folder).exists()

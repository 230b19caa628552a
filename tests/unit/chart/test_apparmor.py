"""The chart's AppArmor profile is the repository's."""

from tests.apparmor import PROFILES
from tests.helm import CHART

SOURCE = PROFILES / "dind"


def test_the_copy_is_the_source() -> None:
    copy = CHART / "files" / "apparmor-dind"
    assert copy.read_bytes() == SOURCE.read_bytes(), "the chart's profile differs: run `make chart-apparmor`"

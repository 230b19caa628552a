"""Fixtures: the chart rendered by Helm 4, and by both majors where they may differ.

Most tests ask what the templates make of a value, which Helm 3 and Helm 4 answer alike: test_majors.py compares their
renderings. A thorough run (tests/thorough.py) runs every test with both.
"""

import pytest
from tests.cluster.tools import tool
from tests.helm import Helm, Manifests
from tests.thorough import THOROUGH


@pytest.fixture(scope="session")
def helm3(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tool("helm3"), 3, tmp_path_factory.mktemp("helm3"))


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tool("helm4"), 4, tmp_path_factory.mktemp("helm4"))


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def each_helm(request: pytest.FixtureRequest) -> Helm:
    """Both majors in every run: for what Helm itself decides."""
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", params=["helm3", "helm4"] if THOROUGH else ["helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """For what the templates decide."""
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def defaults(helm: Helm) -> Manifests:
    """The chart with nothing set but the registry. Copy an object before you change it."""
    return helm.template()

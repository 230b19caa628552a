"""Fixtures: the chart rendered by Helm. The gate runs every test with Helm 4, and `make matrix` runs it with Helm 3, too."""

import pytest
from tests.cluster.tools import tool
from tests.helm import Helm, Manifests

# Of the two majors the gate has the newer one.
BOTH = [pytest.param("helm3", marks=pytest.mark.matrix), "helm4"]


@pytest.fixture(scope="session")
def helm3(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tool("helm3"), 3, tmp_path_factory.mktemp("helm3"))


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tool("helm4"), 4, tmp_path_factory.mktemp("helm4"))


@pytest.fixture(scope="session", params=BOTH)
def each_helm(request: pytest.FixtureRequest) -> Helm:
    """For what Helm itself decides."""
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", params=BOTH)
def helm(request: pytest.FixtureRequest) -> Helm:
    """For what the templates decide."""
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def defaults(helm: Helm) -> Manifests:
    """The chart with nothing set but the registry. Copy an object before you change it."""
    return helm.template()

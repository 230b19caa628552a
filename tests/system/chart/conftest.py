"""The chart rendered by real Helm, both majors: what one accepts the other may refuse."""

import pytest
from tests.cluster.tools import tool
from tests.helm import Helm, Manifests


@pytest.fixture(scope="session", params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tool(f"helm{request.param}"), request.param, tmp_path_factory.mktemp(f"helm{request.param}"))


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """For what only one Helm can do without a cluster."""
    return Helm(tool("helm4"), 4, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def defaults(helm: Helm) -> Manifests:
    """The chart with nothing set but the registry."""
    return helm.template()

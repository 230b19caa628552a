"""One API server for all tests that a worker runs, with the CRD, and with the chart's service account and rights of the operator:
it takes seconds to start, and tests keep apart by names. Files in which Helm does as it likes have one of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from tests.cluster.controlplane import ControlPlane
from tests.cluster.tools import tool
from tests.helm import NAMESPACE, Helm, Manifests
from tests.installation import Installation, made, make_namespace
from tests.integration.harness import account
from tests.integration.harness.space import Space, open_space
from tests.kube.api import Api
from tests.kube.eventually import eventually
from tests.kubectl import Kubectl
from tests.live import Cluster
from tests.ordering import group_and_sort

CRD = Path(__file__).parents[2] / "crds" / "dind.dev_dindenvironments.yaml"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group_and_sort(items)


def _define(plane: ControlPlane) -> None:
    """The CRD, before the controllers start: else none of them would know our kind for half a minute."""
    with closing(Api(plane.kubeconfig)) as client:
        client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(CRD.read_text()))
        # Established comes a moment before the first request of the new kind is served, of which no event tells.
        eventually(lambda: client.get("/apis/dind.dev/v1alpha1/dindenvironments"), "the new kind being served")


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    # With controllers: they make the service accounts that pods are admitted with, and collect what has no owner.
    with ControlPlane(controllers=True, prepare=_define) as started:
        yield started


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """For what only has to be rendered."""
    return Helm(tool("helm4"), 4, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def manifests(helm: Helm) -> Manifests:
    """What Helm renders with the chart's defaults."""
    return helm.template()


@pytest.fixture(scope="session")
def served(plane: ControlPlane) -> Iterator[Api]:
    """The administrator's client."""
    with closing(Api(plane.kubeconfig)) as client:
        yield client


@pytest.fixture(scope="session")
def api(served: Api, manifests: Manifests) -> Api:
    """The administrator's client, after the operator's rights are there, too: what the chart grants must be enough, and what its
    policy for the service account refuses must not be needed."""
    served.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    account.grant(served, manifests)
    return served


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane, served: Api, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """For what kubectl itself shows."""
    return Kubectl(plane.kubeconfig, tmp_path_factory.mktemp("kubectl-cache"))


@pytest.fixture
def space(served: Api) -> Iterator[Space]:
    """A namespace that is open for environments."""
    with open_space(served) as made:
        yield made


# Of the tests of the chart: an API server for each file of them.


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    # With controllers: they aggregate roles.
    with ControlPlane(controllers=True) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(own_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    client = Cluster(own_plane.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    make_namespace(client)
    return client


@pytest.fixture(params=[pytest.param(3, marks=pytest.mark.matrix), 4], ids=["helm3", "helm4"])
def chart(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[Installation]:
    """By each Helm in turn: 3 patches what differs from the last release, 4 uses server-side apply."""
    installation = made(request.param, cluster, tmp_path)
    yield installation
    installation.clear()


@pytest.fixture
def chart4(cluster: Cluster, tmp_path: Path) -> Iterator[Installation]:
    """For what the API server decides, whoever applied it."""
    installation = made(4, cluster, tmp_path)
    yield installation
    installation.clear()

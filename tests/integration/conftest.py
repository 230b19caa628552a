"""One API server for the whole run, with the CRD installed: it takes seconds to start and tests keep apart by names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.process import wait_until
from tests.installation import Installation, made, make_namespace
from tests.kubectl import Kubectl
from tests.live import Cluster

CRD = Path(__file__).parents[2] / "crds" / "dind.dev_dindenvironments.yaml"
# The API server takes under a second to serve a new kind; a machine under load takes several.
_SERVED_SECONDS = 30


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver with our CRD established."""
    with ControlPlane() as plane:
        kubectl = Kubectl(plane.kubeconfig, tmp_path_factory.mktemp("kubectl"))
        kubectl("apply", "--server-side", "-f", str(CRD))
        # `kubectl wait` fails on a definition that has no conditions yet, and Established comes a moment before the
        # first request of the new kind is served: ask for what is wanted.
        served = wait_until(lambda: kubectl.run("get", "dindenvironments").returncode == 0, _SERVED_SECONDS)
        assert served, kubectl.run("get", "crd", "dindenvironments.dind.dev", "-o", "yaml").stdout
        yield plane


@pytest.fixture(scope="session")
def kubectl(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(api_server.kubeconfig, tmp_path_factory.mktemp("kubectl-cache"))


# Of the tests of the chart: an API server for each file of them, where Helm may do as it likes.


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    # With controllers: they aggregate roles, and make the service accounts that pods are admitted with.
    with ControlPlane(controllers=True) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    client = Cluster(plane.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    make_namespace(client)
    return client


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
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

"""One API server for the whole run, with the CRD installed: it takes seconds to start and tests keep apart by names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.process import wait_until
from tests.kubectl import Kubectl

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

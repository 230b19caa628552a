"""The cluster of `make cluster` (or, with CLUSTER=current, the user's own) with the operator installed by Helm.

Tests that install, upgrade and remove the operator themselves come last: all others share one installation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import current, tools
from tests.cluster.instance import Instance
from tests.cluster.progress import say
from tests.helm import Helm
from tests.installation import CRD, WAIT, Installation, make_namespace
from tests.live import Cluster

LAST = "test_helm"
# The one folder of the node that the installation allows; on the node's own tmpfs, so that nothing outlives it.
HOST_PREFIX = "/run/dind-e2e-folders"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem.startswith(LAST))
    if current.chosen():
        # All others import images into the node, reboot it or look at its cgroups.
        anywhere = [item for item in items if item.path.stem.startswith(LAST)]
        elsewhere = [item for item in items if item not in anywhere]
        say(f"==> CLUSTER=current: {len(anywhere)} tests run there; {len(elsewhere)} need the embedded cluster's node")
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = anywhere


def image_values() -> dict[str, Any]:
    """Where `make images` puts the images. On a cluster of one's own, where they were pushed to."""
    return {
        "image": {
            "registry": os.environ.get("DIND_IMAGE_REGISTRY") or "dind.local",
            "tag": os.environ.get("DIND_IMAGE_TAG") or "dev",
        }
    }


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    if current.chosen():
        current.announce()
        return current.kubeconfig()
    path = Instance.from_environment().kubeconfig
    if not path.exists():
        pytest.fail("The embedded cluster is not running: `make cluster images` starts it and builds what it runs.")
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    cluster = Cluster(kubeconfig, tmp_path_factory.mktemp("kubectl"))
    if current.chosen() and cluster.get("crd", CRD) is not None:
        # The tests would take a living installation away, with all its environments.
        pytest.fail(f"The cluster of KUBECONFIG has the CRD {CRD} already: choose one without the operator.")
    return cluster


@pytest.fixture(scope="session")
def installations(kubectl: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Installation]:
    """By Helm's major version."""
    make_namespace(kubectl)
    return {
        major: Installation(
            Helm(tools.tool(f"helm{major}"), major, tmp_path_factory.mktemp(f"helm{major}"), kubectl.kubeconfig),
            kubectl,
            image_values(),
            WAIT,
        )
        for major in (3, 4)
    }


@pytest.fixture(scope="session")
def operator(installations: dict[int, Installation]) -> Iterator[Installation]:
    """The operator at work, as a pod. Installed afresh, so that it runs the image that was built last."""
    installation = installations[4]
    installation.clear()
    installation.install({"hostPath": {"allowedPrefixes": [HOST_PREFIX]}, "volumeCheckSeconds": 10})
    yield installation
    installation.clear()

"""The cluster of `make cluster` (or, with CLUSTER=current, the user's own) with the operator installed by Helm.

All tests share one cluster and one installation, which the first of them that needs it makes, and which stays: the next run finds
it. Each worker of pytest-xdist has namespaces of its own. Tests with the marker `serial` disturb the node, the operator or the
installation; `make e2e` runs them after all others, one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import current, tools
from tests.cluster.instance import Instance
from tests.cluster.progress import say
from tests.e2e import shared
from tests.environment import Environment
from tests.helm import Helm
from tests.installation import CRD, WAIT, Installation, make_namespace
from tests.live import Cluster
from tests.ordering import group_and_sort

# In this order, at the end: what disturbs more comes later, and the last ones take the shared installation away.
LAST = ("test_reboot", "test_demo", "test_helm")
# The one directory of the node that the installation allows; on the node's own tmpfs, so that nothing outlives it.
HOST_PREFIX = "/run/dind-e2e-folders"
# Of the shared installation: periods are seconds, because tests wait for them. Unit tests hold the real ones.
SETTINGS: dict[str, Any] = {
    "hostPath": {"allowedPrefixes": [HOST_PREFIX]},
    "allowedServiceAccounts": ["e2e-*"],
    "volumeCheckSeconds": 1,
    "endpointCheckSeconds": 1,
    "extraEnv": [
        {"name": "DIND_MINUTE_SECONDS", "value": "3"},
        {"name": "DIND_BLOCKED_CHECK_SECONDS", "value": "1"},
    ],
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    group_and_sort(items)
    items.sort(key=lambda item: LAST.index(item.path.stem) if item.path.stem in LAST else -1)
    if current.chosen():
        # All others import images into the node, reboot it or look at its cgroups.
        anywhere = [item for item in items if item.path.stem == "test_helm"]
        elsewhere = [item for item in items if item not in anywhere]
        say(f"==> CLUSTER=current: {len(anywhere)} tests run there; {len(elsewhere)} need the embedded cluster's node")
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = anywhere


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The report of a failed test contains the state of its environments, before they are deleted."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for environment in environments_of(item.funcargs.values()):
            title = f"the state of {environment.namespace}/{environment.name}"
            report.sections.append((title, environment.story()))
    return report


def environments_of(values: Iterable[object]) -> list[Environment]:
    """The environments among the values of a test's fixtures, also those in dicts and those that it made by name."""
    found: list[Environment] = []
    for value in values:
        if isinstance(value, Environment):
            found.append(value)
        elif isinstance(value, dict):
            found += environments_of(value.values())
        else:
            found += getattr(value, "made", [])
    return found


def image_values() -> dict[str, Any]:
    """Where `make images` puts the images. On a cluster of one's own, where they were pushed to."""
    return {
        "image": {
            "registry": os.environ.get("DIND_IMAGE_REGISTRY") or "dind.local",
            "tag": os.environ.get("DIND_IMAGE_TAG") or "dev",
        }
    }


class Installations(dict[int, Installation]):
    """Made when they are asked for: a run that needs one Helm does not build the other."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        super().__init__()
        self._cluster = cluster
        self._home = home

    def __missing__(self, major: int) -> Installation:
        helm = Helm(tools.tool(f"helm{major}"), major, self._home / str(major), self._cluster.kubeconfig)
        self[major] = Installation(helm, self._cluster, image_values(), WAIT)
        return self[major]


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
def installations(kubectl: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Installations:
    """By Helm's major version."""
    make_namespace(kubectl)
    return Installations(kubectl, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def operator(installations: Installations) -> Installation:
    """The operator at work, as a pod. The same for all workers and runs, as long as it is of this code and these values."""
    shared.ensure(installations[4], SETTINGS)
    return installations[4]

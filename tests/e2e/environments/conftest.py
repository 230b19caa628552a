"""What the tests of environments share: a namespace that is open to them, a view of the node, one environment to use.

The operator itself comes from the directory above: installed by Helm, running as a pod. Namespaces and what is in them are of
one worker, so that tests of several workers run beside each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment
from tests.installation import Installation
from tests.kube.client import ApiError
from tests.live import Cluster, Object
from tests.node_view import NAME as NODE_VIEW
from tests.node_view import NodeView
from tests.node_view import pod as node_view_pod

# The bench: room for a nested apt-get and for a Docker in Docker in Docker; a reserve that is not the default.
BENCH = {"daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}}}


@dataclass(frozen=True)
class Environments:
    """Names environments of the test's own: ``environments("builder")``."""

    kube: Cluster
    namespace: str
    made: list[Environment] = field(default_factory=list)

    def __call__(self, name: str) -> Environment:
        self.made.append(Environment(self.kube, self.namespace, name))
        return self.made[-1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="saturate a node for five minutes instead of one")


def own_namespace(purpose: str = "") -> str:
    """The name of a namespace of this worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return "-".join(filter(None, ("dind-e2e", worker, purpose)))


@pytest.fixture(scope="session")
def kube(operator: Installation) -> Cluster:
    """The client, on a cluster where the operator is installed and at work."""
    return operator.cluster


def open_namespace(kube: Cluster, name: str, labels: dict[str, str] | None = None) -> None:
    """Makes a namespace, new, open to environments unless other labels are given."""
    remove_namespace(kube, name)
    chosen = {"dind.dev/environments": "enabled"} if labels is None else labels
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": chosen}})


def remove_namespace(kube: Cluster, name: str) -> None:
    """Deletes a namespace and waits until it is gone. What holds it is in the message if it stays."""
    kube.empty(name)
    kube.start_deleting("namespace", name)
    try:
        kube.wait_for("namespace", name, None, lambda found: found is None, seconds=150, what="gone")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{held_by(kube, name)}") from None


def held_by(kube: Cluster, namespace: str) -> str:
    """What keeps a namespace that is being deleted: its conditions, and the objects in it that have finalizers."""
    found = kube.get("namespace", namespace) or {}
    lines = [f"  {item['type']}: {item.get('message')}" for item in (found.get("status") or {}).get("conditions", [])]
    for kind in ("pods", "dindenvironments", "secrets", "services", "persistentvolumeclaims"):
        with suppress(ApiError, KeyError):
            for item in kube.items(kind, namespace):
                finalizers = item["metadata"].get("finalizers") or []
                lines.append(f"  {kind}/{item['metadata']['name']}: finalizers {finalizers}")
    return "\n".join([f"The namespace {namespace} is held by:", *lines])


@pytest.fixture(scope="session")
def namespace(kube: Cluster) -> Iterator[str]:
    """An open namespace, new at the start and deleted at the end with all that is in it."""
    name = own_namespace()
    open_namespace(kube, name)
    yield name
    remove_namespace(kube, name)


@pytest.fixture(scope="session")
def node(kube: Cluster) -> Iterator[NodeView]:
    """The node, seen from its own side."""
    name = own_namespace("node")
    open_namespace(kube, name, {})
    kube.apply(node_view_pod(name, BUSYBOX_IMAGE))
    kube.wait_condition("pod", NODE_VIEW, name)
    yield NodeView(kube, name)
    remove_namespace(kube, name)


@pytest.fixture(scope="session")
def bench(kube: Cluster, namespace: str) -> Environment:
    """The environment that tests use and do not break, with busybox loaded."""
    made = Environment(kube, namespace, "bench").apply(BENCH).ready().known()
    load_images(made)
    return made


def load_images(environment: Environment) -> None:
    """What nested containers run from: no registry is needed."""
    environment.docker("load", stdin=images.nested_busybox_tar())


@pytest.fixture
def environments(kube: Cluster, namespace: str) -> Iterator[Environments]:
    """Environments of the test's own. They are deleted at its end, without waiting."""
    named = Environments(kube, namespace)
    yield named
    for environment in named.made:
        with suppress(ApiError):  # its namespace may be gone, as the test wanted
            environment.delete()


@pytest.fixture(autouse=True)
def _undisturbed(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may restart the bench, whatever it does elsewhere: all others would measure another daemon."""
    if "bench" not in request.fixturenames:
        yield
        return
    bench: Environment = request.getfixturevalue("bench")
    before: Object = bench.daemon_status()
    yield
    after = bench.daemon_status()
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], before["restartCount"])

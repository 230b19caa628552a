"""What the tests of environments share: a namespace that is open to them, a look from the node, one environment to use.

The operator itself comes from the folder above: installed by Helm, running as a pod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment
from tests.installation import Installation
from tests.live import Cluster, Object
from tests.node_view import NodeView
from tests.node_view import pod as node_view_pod

NAMESPACE = "dind-e2e"
NODE_NAMESPACE = "dind-e2e-node"

# The bench: room for a nested apt-get and for a Docker in Docker in Docker; a reserve that is not the default.
BENCH = {"daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}}}

Environments = Callable[[str], Environment]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="saturate a node for five minutes instead of one")


@pytest.fixture(scope="session")
def kube(operator: Installation) -> Cluster:
    """kubectl, on a cluster where the operator is installed and at work."""
    return operator.cluster


def open_namespace(kube: Cluster, name: str, labels: dict[str, str] | None = None) -> None:
    chosen = {"dind.dev/environments": "enabled"} if labels is None else labels
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": chosen}})


@pytest.fixture(scope="session")
def namespace(kube: Cluster) -> Iterator[str]:
    """An open namespace, new at the start and deleted at the end with all that is in it."""
    kube.delete("namespace", NAMESPACE)
    open_namespace(kube, NAMESPACE)
    yield NAMESPACE
    kube.delete("namespace", NAMESPACE)


@pytest.fixture(scope="session")
def node(kube: Cluster) -> Iterator[NodeView]:
    """The node, seen from its own side."""
    kube.delete("namespace", NODE_NAMESPACE)
    open_namespace(kube, NODE_NAMESPACE, {})
    kube.apply(node_view_pod(NODE_NAMESPACE, BUSYBOX_IMAGE))
    kube("wait", "pod/node-view", f"--namespace={NODE_NAMESPACE}", "--for=condition=Ready", "--timeout=60s", timeout=90)
    yield NodeView(kube, NODE_NAMESPACE)
    kube.delete("namespace", NODE_NAMESPACE)


@pytest.fixture(scope="session")
def bench(kube: Cluster, namespace: str) -> Environment:
    """The environment that tests use and do not break, with busybox and Debian loaded."""
    made = Environment(kube, namespace, "bench").apply(BENCH).ready()
    load_images(made)
    made.docker("load", stdin=images.nested_base_tar())
    return made


def load_images(environment: Environment) -> None:
    """What nested containers run from: no registry is needed."""
    environment.docker("load", stdin=images.nested_busybox_tar())


@pytest.fixture
def environments(kube: Cluster, namespace: str) -> Iterator[Environments]:
    """Names environments of the test's own. They are deleted at its end, without waiting."""
    made: list[Environment] = []

    def name(value: str) -> Environment:
        made.append(Environment(kube, namespace, value))
        return made[-1]

    yield name
    for environment in made:
        with suppress(AssertionError):  # its namespace may be gone, as the test wanted
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

"""The virtual node of the embedded cluster, running, as fixtures. Nothing here is skipped: without it every test fails.

Environments on it are made by an operator that Helm installed, whose own pod is on the first node.

Its tests bring their own time limits: under emulation everything takes about ten times as long.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cluster import current, tools
from tests.cluster.components import NODE_LABEL
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError
from tests.cluster.vm import lifecycle
from tests.e2e import shared
from tests.e2e.conftest import image_values
from tests.e2e.environments.conftest import open_namespace
from tests.environment import Environment
from tests.helm import Helm
from tests.installation import WAIT, Installation, make_namespace
from tests.live import Cluster, Object
from tests.node_view import NodeView
from tests.vm import pods
from tests.vm.view import GuestView, Vm

# The one folder of the node that the installation allows.
HOST_PREFIX = "/var/lib/dind-vm-folders"
SETTINGS: Object = {"hostPath": {"allowedPrefixes": [HOST_PREFIX]}}
ON_VM: Object = {"nodeSelector": {NODE_LABEL: "vm"}, "tolerations": [pods.TOLERATION]}

# Each probe is a process, and a second or two of one of this node's processors: the usual one a second of three daemons that
# start would leave them nothing to start with.
PROBES: Object = {
    "startup": {"periodSeconds": 10, "failureThreshold": 60},
    "readiness": {"periodSeconds": 60},
    "liveness": {"periodSeconds": 60},
}


@pytest.fixture(scope="session")
def instance() -> Instance:
    """The embedded cluster, whose virtual node at least boots."""
    if current.chosen():
        pytest.fail("The virtual node is one of the embedded cluster: unset CLUSTER.")
    found = Instance.from_environment()
    if lifecycle.running(found) is None:
        pytest.fail("The virtual node does not run: `make cluster images NODES=host,vm` prepares these tests.")
    return found


@pytest.fixture(scope="session")
def kubectl(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster(Path(instance.kubeconfig), tmp_path_factory.mktemp("kubectl"))


@pytest.fixture(scope="session")
def vm(instance: Instance) -> Vm:
    """The virtual node, Ready."""
    try:
        lifecycle.wait(instance)
    except ClusterError as error:
        pytest.fail(str(error))
    return Vm(instance)


@pytest.fixture
def namespace(kubectl: Cluster) -> Iterator[str]:
    name = f"vm-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


class VmEnvironment(Environment):
    """One that only the virtual node takes."""

    def manifest(self, spec: Object | None = None) -> Object:
        return super().manifest({"probes": PROBES, **(spec or {}), "scheduling": ON_VM})


@pytest.fixture(scope="session")
def operator(kubectl: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The operator at work, on the first node. The same for all workers and runs, as long as it is of this code and these values."""
    make_namespace(kubectl)
    helm = Helm(tools.tool("helm4"), 4, tmp_path_factory.mktemp("helm4"), kubectl.kubeconfig)
    installation = Installation(helm, kubectl, image_values(), WAIT)
    shared.ensure(installation, SETTINGS)
    return installation


@pytest.fixture(scope="session")
def vm_namespace(operator: Installation) -> Iterator[str]:
    """An open namespace of this worker, new at the start and deleted at the end with all that is in it, which nobody waits for."""
    name = "-".join(filter(None, ("dind-vm", os.environ.get("PYTEST_XDIST_WORKER"))))
    open_namespace(operator.cluster, name)
    yield name
    operator.cluster.start_deleting("namespace", name)


@pytest.fixture(scope="session")
def vm_node(vm: Vm, kubectl: Cluster) -> NodeView:
    """The virtual node, seen from its own side."""
    return GuestView(kubectl, "", vm)


@pytest.fixture(scope="session")
def runtime_classes(kubectl: Cluster) -> Iterator[None]:
    """Beside the one that mode UserNamespace needs, one for the runtime's ordinary handler and one that no node has."""
    classes = {"dind": "dind", "dind-read-only": "runc", "dind-absent": "no-such-handler"}
    for name, handler in classes.items():
        kubectl.apply(
            {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}
        )
    yield
    for name in classes:
        kubectl.delete("runtimeclass", name)


@pytest.fixture
def vm_environments(operator: Installation, vm_namespace: str) -> Iterator[Callable[[str], Environment]]:
    """Names environments on the virtual node. They are deleted at the test's end, which waits until they are gone."""
    made: list[Environment] = []

    def name(value: str) -> Environment:
        made.append(VmEnvironment(operator.cluster, vm_namespace, value))
        return made[-1]

    yield name
    for environment in made:
        with suppress(AssertionError):
            environment.delete()
    # The next test's environments need the memory and the two processors.
    for environment in made:
        environment.gone(300)

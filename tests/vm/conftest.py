"""The virtual node of the embedded cluster, running, as fixtures. Nothing here is skipped: without it every test fails.

Environments on it are made by an operator that Helm installed, whose own pod is on the first node.

Its tests bring their own time limits: under emulation everything takes about ten times as long.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cluster import current, own_images, store, tools
from tests.cluster.components import NODE_LABEL
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError
from tests.cluster.vm import lifecycle
from tests.cluster.vm.containerd import GuestContainerd
from tests.e2e.conftest import image_values
from tests.e2e.environments.conftest import open_namespace
from tests.environment import Environment
from tests.helm import Helm
from tests.installation import WAIT, Installation, make_namespace
from tests.live import Cluster, Object
from tests.node_view import NodeView
from tests.node_view import pod as node_view_pod
from tests.vm import pods
from tests.vm.view import Vm

ENVIRONMENTS = "dind-vm"
NODE = "dind-vm-node"
# The one folder of the node that the installation allows.
HOST_PREFIX = "/var/lib/dind-vm-folders"
ON_VM: Object = {"nodeSelector": {NODE_LABEL: "vm"}, "tolerations": [pods.TOLERATION]}

# Each probe is a process, and a second or two of one of this node's processors: the usual one a second of three daemons that
# start would leave them nothing to start with.
PROBES: Object = {
    "startup": {"periodSeconds": 10, "failureThreshold": 60},
    "readiness": {"periodSeconds": 30},
    "liveness": {"periodSeconds": 60},
}


@pytest.fixture(scope="session")
def vm() -> Vm:
    if current.chosen():
        pytest.fail("The virtual node is one of the embedded cluster: unset CLUSTER.")
    instance = Instance.from_environment()
    try:
        lifecycle.wait(instance)
    except ClusterError as error:
        pytest.fail(f"{error}\n`make cluster images NODES=host,vm` prepares these tests.")
    busybox = [store.Image(own_images.BUSYBOX_IMAGE, own_images.busybox())]
    store.import_images(instance, busybox)
    store.import_images(instance, busybox, GuestContainerd(instance))
    return Vm(instance)


@pytest.fixture(scope="session")
def kubectl(vm: Vm, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster(Path(vm.instance.kubeconfig), tmp_path_factory.mktemp("kubectl"))


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
def operator(vm: Vm, kubectl: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The operator at work, on the first node. Installed afresh, so that it runs the image that was built last."""
    make_namespace(kubectl)
    helm = Helm(tools.tool("helm4"), 4, tmp_path_factory.mktemp("helm4"), kubectl.kubeconfig)
    installation = Installation(helm, kubectl, image_values(), WAIT)
    installation.clear()
    installation.install({"hostPath": {"allowedPrefixes": [HOST_PREFIX]}})
    yield installation
    installation.clear()


@pytest.fixture(scope="session")
def vm_namespace(operator: Installation) -> Iterator[str]:
    """An open namespace, new at the start and deleted at the end with all that is in it."""
    operator.cluster.delete("namespace", ENVIRONMENTS, seconds=300)
    open_namespace(operator.cluster, ENVIRONMENTS)
    yield ENVIRONMENTS
    operator.cluster.delete("namespace", ENVIRONMENTS, seconds=300)


@pytest.fixture(scope="session")
def vm_node(vm: Vm, kubectl: Cluster) -> Iterator[NodeView]:
    """The virtual node, seen from a pod on it: as the tests of environments on the first node see theirs."""
    kubectl.delete("namespace", NODE, seconds=300)
    kubectl("create", "namespace", NODE)
    looker = node_view_pod(NODE, own_images.BUSYBOX_IMAGE)
    looker["spec"] |= ON_VM
    pods.run(kubectl, looker)
    yield NodeView(kubectl, NODE)
    kubectl.delete("namespace", NODE, seconds=300)


@pytest.fixture(scope="session")
def runtime_classes(vm: Vm, kubectl: Cluster) -> Iterator[None]:
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

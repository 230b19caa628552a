"""What lies under the daemon in the modes without privileges, where whoever owns the files is another than whoever runs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_storage import VOLUME, claim, claimable, volume
from tests.environment import Environment, gone
from tests.installation import Installation
from tests.live import Object
from tests.node_view import NodeView
from tests.vm.conftest import HOST_PREFIX
from tests.vm.modes import WITHOUT_PRIVILEGE, nested, spec
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]

Environments = Callable[[str], Environment]


def on(mode: str, storage: Object) -> Object:
    return {**spec(mode), "storage": storage}


@pytest.fixture
def folder(vm_node: NodeView) -> Iterator[str]:
    """One below the allowed prefix, which is not there yet; on the node's own disk."""
    path = f"{HOST_PREFIX}/kept"
    vm_node.run(f"rm -rf {path}")
    yield path
    vm_node.run(f"rm -rf {path}")


def test_a_folder_of_the_node_is_handed_on_from_mode_to_mode(
    folder: str, vm_environments: Environments, vm_node: NodeView
) -> None:
    """In a user namespace the kubelet maps the ids of the mount: on the disk the files are root's."""
    first = vm_environments("folder").apply(on("UserNamespace", {"hostPath": {"path": folder}})).ready(START_SECONDS)
    load_images(first)
    assert first.docker("info", "--format", "{{.Driver}}", timeout=300) == "overlayfs"
    first.docker("run", BUSYBOX_IMAGE, "sh", "-c", "echo kept >/file; chown 1000 /file", timeout=300)
    files = "find containerd -path '*/fs/file' -exec stat -c %u {} +"
    owners = vm_node.run(f"cd {folder} && stat -c %u containerd && {files}")
    assert owners.split() == ["0", "1000"]
    gone(first, seconds=300)
    second = vm_environments("heir").apply(on("Capabilities", {"hostPath": {"path": folder}})).ready(START_SECONDS)
    assert nested(second, BUSYBOX_IMAGE, "echo", "inherited") == "inherited"
    gone(second, seconds=300)


@pytest.fixture
def storage_class(operator: Installation, vm: Vm, vm_node: NodeView) -> Iterator[str]:
    """A class for a volume on this node; the name of the node."""
    with claimable(operator.cluster, vm_node):
        yield vm.name


@pytest.mark.parametrize("mode", WITHOUT_PRIVILEGE)
def test_a_claimed_volume(
    # In this order, so that the environment goes before its volume does.
    storage_class: str,
    vm_environments: Environments,
    mode: str,
) -> None:
    environment = vm_environments("claimed")
    environment.cluster.apply(volume(storage_class))
    environment.apply(on(mode, claim()["storage"])).ready(START_SECONDS)
    assert "(ext4)" in environment.condition("StorageHealthy")["message"]
    size = int(environment.run("sh", "-c", "df -B1M --output=size /var/lib/docker | tail -1"))
    assert size < 250
    load_images(environment)
    assert nested(environment, BUSYBOX_IMAGE, "echo", "inside") == "inside"
    assert environment.cluster.existing("persistentvolume", VOLUME)["status"]["phase"] == "Bound"
    gone(environment, seconds=300)


@pytest.mark.parametrize("mode", WITHOUT_PRIVILEGE)
def test_a_volume_in_memory(vm_environments: Environments, mode: str) -> None:
    wanted = on(mode, {"emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}})
    environment = vm_environments("memory").apply(wanted).ready(START_SECONDS)
    assert "(tmpfs)" in environment.condition("StorageHealthy")["message"]
    load_images(environment)
    assert nested(environment, BUSYBOX_IMAGE, "echo", "inside") == "inside"
    gone(environment, seconds=300)

"""Folders of the node under the daemon: where they are allowed, whose they are, and what they lie on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.conftest import HOST_PREFIX
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import eventually, gone
from tests.live import Object
from tests.node_view import NodeView

# They share the one directory that the installation allows.
pytestmark = pytest.mark.xdist_group("test_folders")


def at(folder: str, prefix: str = HOST_PREFIX) -> Object:
    return {"storage": {"hostPath": {"path": f"{prefix}/{folder}"}}}


@pytest.fixture
def prefix(node: NodeView) -> Iterator[str]:
    """The allowed folder, empty at the start and at the end."""
    clear = f"umount {HOST_PREFIX}/*/ 2>/dev/null; rm -rf {HOST_PREFIX}/* {HOST_PREFIX}/.[a-z]*"
    node.run(f"mkdir -p {HOST_PREFIX}; {clear}; true")
    yield HOST_PREFIX
    node.run(f"{clear}; true")


def test_a_folder_keeps_what_docker_has_over_pods_and_environments(
    environments: Environments, node: NodeView, prefix: str
) -> None:
    environment = environments("kept").apply(at("kept")).ready()
    load_images(environment)
    before = environment.pod_uid()
    assert node.run(f"ls -d {prefix}/kept/containerd") == f"{prefix}/kept/containerd"
    assert environment.docker("info", "--format", "{{.Driver}}") == "overlayfs"
    environment.delete_pod()
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != before, "another pod")
    environment.ready()
    assert environment.docker("run", "--rm", BUSYBOX_IMAGE, "echo", "still here") == "still here"
    # Another environment, after the first: the folder is free, and what is in it is found again.
    gone(environment)
    other = environments("heir").apply(at("kept")).ready()
    assert other.docker("run", "--rm", BUSYBOX_IMAGE, "echo", "inherited") == "inherited"
    gone(other)


def test_a_folder_elsewhere_makes_no_pod(environments: Environments, node: NodeView, prefix: str) -> None:
    environment = environments("elsewhere").apply(at("secrets", "/etc"))
    told = environment.wait_reason("HostPathNotAllowed", 30)
    assert "/etc/secrets" in told["message"]
    assert prefix in told["message"]
    assert environment.pod() is None
    assert "cannot be used" in environment.refusal(at("../../etc"))
    # The same environment below the prefix.
    environment.apply(at("elsewhere")).ready()
    gone(environment)


def test_the_second_environment_of_a_folder_waits_for_the_first(environments: Environments, prefix: str) -> None:
    first = environments("first").apply(at("shared")).ready()
    second = environments("second").apply(at("shared"))
    told = second.wait_reason("HostPathInUse", 30)
    assert f"{first.namespace}/first" in told["message"]
    assert second.pod() is None
    assert first.condition("Ready")["status"] == "True"
    first.delete()
    first.gone()
    second.ready()
    gone(second)


def test_a_folder_that_is_locked_on_the_node_is_refused_there(
    environments: Environments, node: NodeView, prefix: str
) -> None:
    """What no operator knows: a pod of another cluster's, or two that were made at the same moment."""
    node.run(f"mkdir {prefix}/locked && echo 'team-b/build 0000-1' >{prefix}/locked/.dind-owner")
    hold = f"until [ -e {prefix}/.release ]; do sleep 0.2; done"
    node.run(f"setsid flock --exclusive {prefix}/locked -c '{hold}' >/dev/null 2>&1 </dev/null & sleep 0.5")
    environment = environments("locked").apply(at("locked"))
    told = environment.wait_reason("HostPathInUse", 60)
    assert "team-b/build" in told["message"]
    assert environment.condition("StorageHealthy")["reason"] == "HostPathInUse"
    node.run(f"touch {prefix}/.release")
    environment.ready()
    # Now the daemon has it.
    assert node.run(f"flock --nonblock {prefix}/locked true && echo free || echo held") == "held"
    owner = node.run(f"cat {prefix}/locked/.dind-owner")
    assert owner.split()[0] == f"{environment.namespace}/locked"
    environment.attempt("sh", "-c", "kill -KILL $(cat /var/run/docker.pid)")
    environment.wait_pod(lambda _: environment.restarts() > 0, "the restart", 60)
    environment.ready()
    gone(environment)
    assert node.run(f"flock --nonblock {prefix}/locked true && echo free || echo held") == "free"


@pytest.mark.parametrize("target", ["victim", "/etc"])
def test_a_link_is_not_followed(environments: Environments, node: NodeView, prefix: str, target: str) -> None:
    """One within the prefix is found by the init container, one that leads out of it by the kubelet."""
    node.run(f"mkdir {prefix}/victim && ln -s {target} {prefix}/link && ls -A /etc | wc -l >/run/dind-e2e-before")
    environment = environments("linked").apply(at("link"))
    if target == "victim":
        told = environment.wait_reason("HostPathIsSymlink", 60)
        assert "'link' is a symbolic link there" in told["message"]
        assert environment.condition("StorageHealthy")["reason"] == "HostPathIsSymlink"
    else:
        environment.wait_reason("PodFailed", 60)
    assert node.run(f"ls -A {prefix}/victim") == ""
    assert node.run("ls -A /etc | wc -l") == node.run("cat /run/dind-e2e-before; rm /run/dind-e2e-before")
    # The same name as a folder is fine; the kubelet tries again by itself.
    node.run(f"rm {prefix}/link")
    environment.ready()
    gone(environment)


def test_a_volume_on_an_overlay_is_used_through_fuse(environments: Environments, node: NodeView, prefix: str) -> None:
    node.run(
        f"cd {prefix} && mkdir union && mkdir -p .layers/l .layers/u .layers/w && "
        f"mount -t overlay -o lowerdir=.layers/l,upperdir=.layers/u,workdir=.layers/w o {prefix}/union"
    )
    environment = environments("union").apply(at("union")).ready().known()
    assert environment.status()["docker"]["storageDriver"] == "fuse-overlayfs"
    told = environment.condition("StorageHealthy")
    assert told["status"] == "True"
    assert "fuse-overlayfs" in told["message"]
    load_images(environment)
    assert environment.docker("run", "--rm", BUSYBOX_IMAGE, "sh", "-c", "rm /bin/ls; echo changed") == "changed"
    # overlay2 by name is refused there, with the remedy, and not replaced in silence.
    environment.patch({"daemon": {"config": {"storage-driver": "overlay2"}}})
    told = environment.wait_reason("StorageNotOverlayCapable", 120)
    assert "(overlay) cannot carry an overlay" in told["message"]
    assert "use storage.emptyDir" in told["message"]
    gone(environment)
    eventually(lambda: not node.run(f"umount {prefix}/union 2>&1 || true"), "the overlay being free", 30)

"""Environments go in every way Kubernetes knows, leave nothing, and their names are free again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import (
    Environments,
    load_images,
    open_namespace,
    own_namespace,
)
from tests.environment import Environment, eventually, ready
from tests.live import Cluster
from tests.node_view import NodeView

CROWD = 10
# It ends when asked; others dockerd kills only after ten seconds.
POLITE = ("sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait")


@pytest.fixture(scope="module")
def doomed(kube: Cluster) -> Iterator[str]:
    """A namespace for a test to delete."""
    name = own_namespace("doomed")
    open_namespace(kube, name)
    yield name
    kube.start_deleting("namespace", name)


def nothing_left(node: NodeView, uid: str) -> bool:
    """No cgroup of the pod in any hierarchy, no mount that names it in any process, no folder, no process of it."""
    folder = node.run(f"ls -d /var/lib/kubelet/pods/{uid} 2>/dev/null || true")
    return not (folder or node.pod_groups(uid) or node.mounts(uid))


def host_link(node: NodeView, environment: Environment) -> str:
    """The node's end of the link into the pod."""
    number = environment.run("cat", "/sys/class/net/eth0/iflink")
    return node.run(f"grep -lx {number} /sys/class/net/*/ifindex").split("/")[4]


def test_deletion_leaves_nothing_on_the_node(environments: Environments, node: NodeView) -> None:
    environment = environments("traceless").apply().ready()
    load_images(environment)
    environment.docker("volume", "create", "data")
    environment.docker("run", "--detach", "--volume=data:/data", BUSYBOX_IMAGE, *POLITE)
    uid = environment.pod_uid()
    # The looks that must find nothing in the end find something now.
    assert node.pod_groups(uid)
    assert node.mounts(uid)
    assert node.run(f"ls -d /var/lib/kubelet/pods/{uid}")
    link = host_link(node, environment)
    assert link in node.run("ls /sys/class/net").split()

    environment.delete()
    environment.gone()
    eventually(lambda: nothing_left(node, uid), f"nothing of the pod {uid} on the node", 60)
    eventually(lambda: link not in node.run("ls /sys/class/net").split(), "the pod's link is gone", 30)


def images_of(environment: Environment) -> str:
    return environment.docker("image", "ls", "--quiet")


@pytest.mark.parametrize("cascade", ["Background", "Foreground"])
def test_a_name_can_be_applied_again_at_once(environments: Environments, cascade: str) -> None:
    environment = environments(f"again-{cascade.lower()}").apply().ready()
    load_images(environment)
    first, old = environment.pod_uid(), (environment.get() or {})["metadata"]["uid"]

    # A foreground deletion keeps the object until its pod is gone: kubectl waits for that, and then the name is free.
    environment.delete(cascade, wait=cascade == "Foreground")
    environment.apply()
    environment.ready()

    assert (environment.get() or {})["metadata"]["uid"] != old
    assert environment.pod_uid() != first
    # What the check of isolation brings goes again by itself; what an old docker volume has would stay.
    eventually(lambda: images_of(environment) == "", "no image of the environment before", 60, environment.story)


def test_an_orphaned_pod_ends_and_what_belonged_to_it_is_in_the_way(environments: Environments) -> None:
    environment = environments("orphan").apply().ready()
    first = environment.pod_uid()
    environment.delete("Orphan", wait=True)
    # No ttl and no policy would end it.
    environment.wait_pod(lambda pod: not pod, "gone")
    environment.apply()
    # What made its endpoint was orphaned with it, and stays.
    environment.wait_reason("EndpointConflict", 60)
    for item in environment.cluster.items("secrets", environment.namespace, "dind.dev/environment=orphan"):
        environment.cluster.delete(item["kind"], item["metadata"]["name"], environment.namespace)
    environment.ready()
    assert environment.pod_uid() != first


def test_ten_at_once_become_ready_and_go_with_their_namespace(kube: Cluster, doomed: str, node: NodeView) -> None:
    crowd = [Environment(kube, doomed, f"crowd-{number}") for number in range(CROWD)]
    for environment in crowd:
        environment.apply()
    ready(crowd, 240)
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in kube.items("pods", doomed)}
    assert set(pods) == {environment.name for environment in crowd}
    # They are apart: each has its own daemon.
    load_images(crowd[0])
    apart = [True] + [False] * (CROWD - 1)
    eventually(
        lambda: [images_of(environment) != "" for environment in crowd] == apart, "images in the first alone", 60
    )
    assert {int(pod["status"]["containerStatuses"][0]["restartCount"]) for pod in kube.items("pods", doomed)} == {0}

    kube.delete("namespace", doomed, seconds=150)
    for uid in pods.values():
        eventually(lambda uid=uid: nothing_left(node, uid), f"nothing of the pod {uid} on the node", 60)

"""What lies under the daemon: a claimed volume with its bounds, one that fills up, one that was evicted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.kube.client import Executed
from tests.live import Cluster, Object
from tests.node_view import NodeView

MIB = 2**20
# A file system of this machine's own in a file, on the node's tmpfs: what is on it is bounded, and gone with the test.
FOLDER = "/run/dind-e2e-volume"
VOLUME, CLASS = "dind-e2e-volume", "dind-e2e"
# The installation and the helper check several times in this time.
TOLD_SECONDS = 60


def claim(size: str = "100Mi", storage_class: str = CLASS) -> Object:
    spec = {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    return {"storage": {"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}}


def volume(node_name: str) -> Object:
    """A PersistentVolume that somebody made beforehand, on this node."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node_name]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": VOLUME},
        "spec": {
            "capacity": {"storage": "250Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": f"{FOLDER}/mounted"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }


@contextmanager
def claimable(kube: Cluster, node: NodeView) -> Iterator[None]:
    """A class without a provisioner, and a formatted file for its volume, mounted on the node."""
    kube.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": CLASS},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    kube.delete("persistentvolume", VOLUME)
    node.run(
        f"umount {FOLDER}/mounted 2>/dev/null; rm -rf {FOLDER}; mkdir -p {FOLDER}/mounted && "
        f"truncate -s 250M {FOLDER}/image && mkfs.ext4 -q {FOLDER}/image && "
        f"mount -o loop {FOLDER}/image {FOLDER}/mounted"
    )
    yield
    kube.delete("persistentvolume", VOLUME)
    kube.delete("storageclass", CLASS)
    eventually(lambda: not unmounted(node), "the volume's file system being free", 60)


@pytest.fixture
def storage_class(kube: Cluster, node: NodeView) -> Iterator[str]:
    """It, on the first node; the name of that."""
    with claimable(kube, node):
        (host,) = kube.items("nodes", selector="dind.dev/test-node=host")
        yield host["metadata"]["name"]


def available(found: Object | None) -> bool:
    """Or already taken."""
    return ((found or {}).get("status") or {}).get("phase") in ("Available", "Bound")


def unmounted(node: NodeView) -> str:
    """What stands in the way of removing the file system; "" once it is gone."""
    return node.run(f"umount {FOLDER}/mounted 2>&1 && rm -r {FOLDER} 2>&1 || [ ! -e {FOLDER}/image ] || echo busy")


def build(environment: Environment, folder: Path, mebibytes: int) -> Executed:
    """A nested build that writes a file of that size."""
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(f"FROM {BUSYBOX_IMAGE}\nRUN dd if=/dev/zero of=/file bs=1M count={mebibytes}\n")
    return environment.attempt("docker", "build", "--no-cache", "--progress=plain", "-", stdin=dockerfile, timeout=240)


def fill(environment: Environment) -> None:
    """A container that keeps all the room there is."""
    environment.attempt(
        "docker", "run", "--name=ballast", BUSYBOX_IMAGE, "sh", "-c", "dd if=/dev/zero of=/f bs=64k", timeout=240
    )


def healthy(status: str, reason: str) -> object:
    def holds(found: Object) -> bool:
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(
            (item["type"], item["status"], item["reason"]) == ("StorageHealthy", status, reason) for item in conditions
        )

    return holds


def fills_up_and_recovers(environment: Environment, folder: Path, total: str) -> None:
    """The whole way: a build that fits, a full volume, a build that fails, a daemon that lives, and room again."""
    before = environment.daemon_process()
    assert build(environment, folder, 20).returncode == 0
    fill(environment)
    failed = build(environment, folder, 100)
    assert failed.returncode != 0
    assert "no space left on device" in (failed.stdout + failed.stderr).lower()
    environment.wait(healthy("False", "DiskFull"), "StorageHealthy=False", TOLD_SECONDS)
    message = environment.condition("StorageHealthy")["message"]
    assert f" of {total}" in message
    assert "are used" in message
    assert environment.condition("Ready")["status"] == "True"
    environment.wait_event("DiskFull")
    assert environment.daemon_process() == before
    environment.docker("rm", "ballast")
    environment.wait(healthy("True", "StorageHealthy"), "StorageHealthy=True", TOLD_SECONDS)
    assert build(environment, folder, 20).returncode == 0
    assert environment.daemon_process() == before


@pytest.mark.timeout(400)
def test_a_claimed_volume_is_waited_for_used_within_its_bounds_and_given_back(
    # In this order, so that the environment goes before its volume does.
    storage_class: str,
    environments: Environments,
    kube: Cluster,
    tmp_path: Path,
) -> None:
    environment = environments("claimed").apply(claim())
    waiting = environment.wait_reason("Unschedulable", 60)
    assert "spec.storage" in waiting["message"]
    assert environment.condition("PodScheduled")["status"] == "False"
    # Somebody makes the volume; nothing has to be done to the environment.
    kube.apply(volume(storage_class))
    kube.wait_for("persistentvolume", VOLUME, None, available, seconds=30, what="available")
    # The scheduler looks when it sees a volume, which may be before that is available, and then for five minutes at no event.
    kube.patch("persistentvolume", VOLUME, None, {"metadata": {"annotations": {"dind.dev/seen": "yes"}}})
    environment.ready()
    found = environment.run("sh", "-c", "df --output=fstype /var/lib/docker | tail -1")
    assert found == "ext4"
    assert environment.docker("info", "--format", "{{.Driver}}") == "overlayfs"
    assert "(ext4)" in environment.condition("StorageHealthy")["message"]
    load_images(environment)
    size = int(environment.run("sh", "-c", "df -B1M --output=size /var/lib/docker | tail -1"))
    assert size < 250
    fills_up_and_recovers(environment, tmp_path, "2")
    held = kube.existing("persistentvolumeclaim", "claimed-docker-data", environment.namespace)
    assert held["metadata"]["ownerReferences"][0]["uid"] == environment.pod_uid()
    environment.delete()
    environment.gone()
    kube.wait_for(
        "persistentvolumeclaim", "claimed-docker-data", environment.namespace, lambda item: item is None, seconds=60
    )


@pytest.mark.timeout(400)
def test_a_volume_in_memory_that_is_full_fails_builds_and_nothing_else(
    environments: Environments, tmp_path: Path
) -> None:
    spec = {
        "daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}},
        "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "200Mi"}},
    }
    environment = environments("memory-full").apply(spec).ready()
    load_images(environment)
    fills_up_and_recovers(environment, tmp_path, "200Mi")
    assert environment.restarts() == 0


def test_a_daemon_that_is_killed_on_a_full_volume_comes_back(environments: Environments) -> None:
    """Only through it can the volume be emptied."""
    spec = {
        "daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}},
        "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "160Mi"}},
    }
    environment = environments("killed-full").apply(spec).ready()
    load_images(environment)
    fill(environment)
    environment.wait(healthy("False", "DiskFull"), "StorageHealthy=False", TOLD_SECONDS)
    environment.attempt("sh", "-c", "kill -KILL $(cat /var/run/docker.pid)")
    environment.wait_pod(lambda _: environment.restarts() > 0, "the restart", 60)
    environment.ready()
    environment.docker("rm", "--force", "ballast")
    environment.wait(healthy("True", "StorageHealthy"), "StorageHealthy=True", TOLD_SECONDS)

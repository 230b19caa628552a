"""Accidents with memory end the nested container that has them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images, open_namespace, own_namespace
from tests.environment import Environment, eventually
from tests.kube.client import Executed
from tests.live import Cluster
from tests.nested import fill
from tests.node_view import NodeView, container_id

MIB = 2**20


def test_a_nested_hog_dies_at_its_own_limit_and_the_daemon_lives(bench: Environment) -> None:
    before = bench.daemon_process()
    assert fill(bench, 96, "--memory=64m", "--memory-swap=64m") == 137
    assert bench.daemon_process() == before
    # The same without the limit is no accident.
    assert fill(bench, 96) == 0


def test_a_nested_hog_without_a_limit_dies_at_what_the_reserve_leaves(bench: Environment, node: NodeView) -> None:
    before = bench.daemon_process()
    # Limit 1Gi, reserve 384Mi: 640 MiB for all nested containers together, well below the container's limit.
    assert nested_limit(bench, node) == 640 * MIB
    assert fill(bench, 450) == 0
    assert fill(bench, 800) == 137
    assert bench.daemon_process() == before
    assert bench.restarts() == 0
    assert bench.docker("ps", "--quiet") == ""


def build(environment: Environment, folder: Path, step: str) -> Executed:
    """A nested build with one step."""
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(f"FROM {BUSYBOX_IMAGE}\nRUN {step}\n")
    return environment.attempt("docker", "build", "--no-cache", "--progress=plain", "-", stdin=dockerfile, timeout=240)


def test_a_build_that_takes_too_much_dies_alone(bench: Environment, tmp_path: Path) -> None:
    before = bench.daemon_process()
    dd = "dd if=/dev/zero of=/dev/null bs={}M count=1"
    killed = build(bench, tmp_path, dd.format(800))
    assert killed.returncode != 0
    assert "exit code: 137" in killed.stdout + killed.stderr
    assert bench.daemon_process() == before
    assert bench.restarts() == 0
    smaller = build(bench, tmp_path, dd.format(100))
    assert smaller.returncode == 0, smaller.stderr


def test_a_step_of_a_build_is_below_the_group_of_nested_containers(
    bench: Environment, node: NodeView, tmp_path: Path
) -> None:
    # A number that nothing else sleeps for, and long enough to be found on a busy machine.
    find = (
        "for folder in /proc/[0-9]*; do case $(tr '\\0' ' ' <$folder/cmdline) in 'sleep 23 ') "
        "cat $folder/cgroup;; esac; done 2>/dev/null || true"
    )
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(build, bench, tmp_path, "sleep 23")
        lines = eventually(lambda: node.run(find).splitlines(), "the step's process", 60, bench.story)
        assert building.result().returncode == 0
    version1 = [line for line in lines if line.split(":")[1] and not line.split(":")[1].startswith("name=")]
    own = container_id(bench.daemon_status())
    assert len(version1 or lines) == len(node.hierarchies())
    for line in version1 or lines:
        assert f"{own}/docker/" in line
        assert bench.pod_uid() in line.replace("_", "-")


def nested_limit(environment: Environment, node: NodeView) -> int:
    """The memory limit of the group of all nested containers, from the node's side."""
    own = container_id(environment.daemon_status())
    groups = [found for found in node.groups("docker") if own in found]
    script = " ".join(f"{found}/{name}" for found in groups for name in ("memory.limit_in_bytes", "memory.max"))
    return int(node.run(f"cat {script} 2>/dev/null || true"))


def test_without_the_reserve_the_same_hog_takes_the_daemon_with_it(environments: Environments) -> None:
    """The guard of the test before: nothing else keeps the daemon alive."""
    spec = {"daemon": {"resources": {"limits": {"memory": "384Mi"}}, "reserve": {"memory": "0"}}}
    environment = environments("unguarded").apply(spec).ready()
    load_images(environment)
    before = environment.daemon_status()["containerID"]
    # Ten, each smaller than dockerd: on version 1 the kernel ends the largest process of the group, on version 2 all.
    for _ in range(10):
        environment.attempt(
            "docker", "run", "--detach", BUSYBOX_IMAGE, "dd", "if=/dev/zero", "of=/dev/null", "bs=36M", "count=100000"
        )
    environment.wait_pod(
        lambda _: environment.daemon_status().get("containerID") != before, "the daemon was killed", 90
    )


@pytest.fixture(scope="module")
def ranged(kube: Cluster, bench: Environment) -> Iterator[Environment]:
    """`spec: {}` in a namespace whose LimitRange gives every container 1Gi."""
    namespace = own_namespace("ranged")
    open_namespace(kube, namespace)
    limits = [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "64Mi"}}]
    where = {"name": "defaults", "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": where, "spec": {"limits": limits}})
    made = Environment(kube, namespace, "ranged").apply().ready()
    load_images(made)
    yield made
    kube.start_deleting("namespace", namespace)


def test_a_limit_that_only_a_limitrange_sets_has_the_reserve_too(ranged: Environment, node: NodeView) -> None:
    assert nested_limit(ranged, node) == (1024 - 256) * MIB
    assert ranged.condition("CgroupsMounted")["reason"] == "CgroupsMounted"
    assert ranged.status()["reserveMemory"] == "256Mi"
    before = ranged.daemon_process()
    assert fill(ranged, 500) == 0
    assert fill(ranged, 900) == 137
    assert ranged.daemon_process() == before


@pytest.fixture(scope="module")
def in_memory(kube: object, bench: Environment) -> Environment:
    """The docker volume in memory: 1Gi - 256Mi reserve - 320Mi volume leaves 448Mi for nested containers."""
    spec = {
        "daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "256Mi"}},
        "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "320Mi"}},
    }
    made = Environment(bench.cluster, bench.namespace, "in-memory").apply(spec).ready()
    load_images(made)
    return made


def test_a_volume_in_memory_is_a_tmpfs_of_its_size_with_overlays(in_memory: Environment) -> None:
    kind, size = in_memory.run("sh", "-c", "df -B1 --output=fstype,size /var/lib/docker | tail -1").split()
    assert (kind, int(size)) == ("tmpfs", 320 * MIB)
    assert in_memory.docker("info", "--format", "{{.Driver}}") == "overlayfs"
    assert "tmpfs" in in_memory.condition("StorageHealthy")["message"]


def test_a_volume_in_memory_is_held_back_from_nested_containers(in_memory: Environment, node: NodeView) -> None:
    before = in_memory.daemon_process()
    assert nested_limit(in_memory, node) == 448 * MIB
    assert fill(in_memory, 300) == 0
    assert fill(in_memory, 600) == 137
    # Files count too, wherever they are written from: the volume is full before the daemon is in need.
    filled = in_memory.attempt(
        "docker", "run", "--rm", BUSYBOX_IMAGE, "dd", "if=/dev/zero", "of=/file", "bs=1M", "count=400"
    )
    assert filled.returncode != 0
    assert in_memory.daemon_process() == before
    assert in_memory.restarts() == 0


def test_what_leaves_nothing_for_nested_containers_is_refused(environments: Environments) -> None:
    def memory(limit: str) -> dict[str, object]:
        return {
            "daemon": {"resources": {"limits": {"memory": limit}}, "reserve": {"memory": "256Mi"}},
            "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
        }

    environment = environments("nothing-left")
    refusal = environment.refusal(memory("512Mi"))
    assert "sizeLimit" in refusal
    assert "reserve" in refusal
    assert "sizeLimit" in environment.refusal({"storage": {"emptyDir": {"medium": "Memory"}}})
    environment.accepted(memory("600Mi"))

    # What the API server cannot know, because the default reserve is the operator's, becomes a condition.
    environment.apply({"daemon": {"resources": {"limits": {"memory": "64Mi"}}}})
    assert "Raise the limit" in environment.wait_reason("MemoryLimitTooLow", 30)["message"]
    assert environment.pod() is None
    environment.patch({"daemon": {"resources": {"limits": {"memory": "768Mi"}}}})
    environment.ready()

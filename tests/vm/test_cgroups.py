"""Limits that hold on cgroup version 2, each seen from the node's side, on the virtual node, beyond what `test_each_mode.py` shows.

One environment is used by all of the tests, in their order: the last ones end its daemon and reboot its node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.cluster.vm import lifecycle
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_memory import MIB, nested_limit
from tests.environment import Environment, eventually
from tests.installation import Installation
from tests.live import Object
from tests.nested import fill
from tests.node_view import NodeView, container_id
from tests.vm.conftest import VmEnvironment
from tests.vm.groups import detached, own_group, read
from tests.vm.modes import LIMIT, NESTED, RESERVE, builds_without_memory_die_alone
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough]

KUBELET = "/etc/kubernetes/kubelet.json"
SPEC: Object = {
    "daemon": {
        "resources": {"limits": {"memory": f"{LIMIT}Mi", "cpu": "1"}, "requests": {"cpu": "100m"}},
        "reserve": {"memory": f"{RESERVE}Mi"},
    }
}


@pytest.fixture
def node(vm_node: NodeView) -> NodeView:
    """The node that these tests are about."""
    return vm_node


@pytest.fixture(scope="module")
def bench(operator: Installation, vm_namespace: str) -> Iterator[Environment]:
    made = VmEnvironment(operator.cluster, vm_namespace, "bench").apply(SPEC).ready(START_SECONDS)
    load_images(made)
    yield made
    made.delete()
    made.gone(300)


def test_builds_without_memory_die_alone_each_time(bench: Environment) -> None:
    builds_without_memory_die_alone(bench, NESTED + 64, 20)


def test_limits_of_cpu_and_processes_hold(bench: Environment, node: NodeView) -> None:
    own = own_group(bench, node)
    assert read(node, own, "cpu.max") == ["100000 100000"]

    def used() -> float:
        return int(read(node, own, "cpu.stat")[0].split()[1]) / 1e6

    spin = "for i in 1 2 3; do (while :; do :; done) & done; wait"
    loops = detached(bench, "sh", "-c", spin)
    start, began = used(), time.monotonic()
    time.sleep(10)
    spent, seconds = used() - start, time.monotonic() - began
    bench.docker("kill", loops)
    # One processor of two; a period of a tenth of a second may begin or end in between, and so does the looking.
    assert 0.2 * seconds < spent < 1.3 * seconds
    # The shell that is refused a fork ends; the one around it goes on without another.
    fork = "(for i in $(seq 60); do sleep 600 & done); exec sleep 600"
    many = detached(bench, "sh", "-c", fork, options=("--pids-limit=40",))
    group = f"{own}/docker/{many}"
    assert read(node, group, "pids.max") == ["40"]
    eventually(
        lambda: int(read(node, group, "pids.events")[0].split()[1]) > 0, "a fork that is refused", 120, bench.story
    )
    assert int(read(node, group, "pids.peak")[0]) <= 40
    bench.docker("kill", many)


def test_docker_and_the_node_agree_on_what_is_used(bench: Environment, node: NodeView) -> None:
    own = own_group(bench, node)
    hold = "head -c 67108864 /dev/zero >/dev/shm/held; echo held; sleep 600"
    holder = detached(bench, "sh", "-c", hold, options=("--name=holder", "--memory=200m", "--shm-size=80m"))
    eventually(lambda: "held" in bench.docker("logs", "holder"), "64 MiB in memory", 120, bench.story)

    def working_set(group: str) -> int:
        """What `kubectl top` counts: what is used less the files that nobody looked at lately."""
        current, *stat = read(node, group, "memory.current", "memory.stat")
        inactive = next(int(line.split()[1]) for line in stat if line.startswith("inactive_file "))
        return int(current) - inactive

    # Docker shows a MiB with four digits at most.
    told = bench.docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "holder", timeout=300)
    usage, _, limit, processes = told.split()
    seen = working_set(f"{own}/docker/{holder}")
    assert seen >= 64 * MIB
    assert abs(float(usage.removesuffix("MiB")) * MIB - seen) < 2 * MIB
    assert limit == "200MiB"
    assert read(node, f"{own}/docker/{holder}", "memory.max") == [str(200 * MIB)]
    assert int(processes) == int(read(node, f"{own}/docker/{holder}", "pids.current")[0])
    pod = own.rpartition("/")[0]
    assert seen < working_set(own) <= working_set(pod) <= LIMIT * MIB
    bench.docker("kill", "holder")


def test_what_a_hostile_nested_container_can_still_do(bench: Environment, node: NodeView) -> None:
    """The guard is for accidents: whoever means it gets past the reserve, though not past the pod's own limit."""
    own, before = own_group(bench, node), bench.daemon_process()
    # By a group of one's own choice: beside /docker, so the reserve does not count.
    elsewhere = detached(bench, "sleep", "600", options=("--cgroup-parent=/elsewhere",))
    assert node.groups(elsewhere) == [f"{own}/elsewhere/{elsewhere}"]
    bench.docker("kill", elsewhere)
    # By the way out of a cgroup namespace: there is none, the name is taken as one below.
    outwards = bench.attempt(
        *("docker", "run", "--rm", "--cgroup-parent=/../../..", BUSYBOX_IMAGE, "cat", "/proc/self/cgroup"), timeout=300
    )
    if outwards.returncode == 0:
        assert node.run(f"ls -d {own}/docker") == f"{own}/docker"
    # By the files: with all privileges and the daemon's namespace the group of nested containers can be widened,
    # and the container's own cannot.
    privileged = ("run", "--rm", "--privileged", "--cgroupns=host", "--volume=/sys/fs/cgroup:/groups", BUSYBOX_IMAGE)
    bench.docker(*privileged, "sh", "-c", "echo max >/groups/docker/memory.max", timeout=300)
    assert read(node, f"{own}/docker", "memory.max") == ["max"]
    widened = bench.attempt("docker", *privileged, "sh", "-c", "echo max >/groups/memory.max", timeout=300)
    assert read(node, own, "memory.max") == [str(LIMIT * MIB)]
    assert widened.returncode != 0
    node.run(f"echo {NESTED * MIB} >{own}/docker/memory.max")
    assert bench.daemon_process() == before


def test_a_reload_of_systemd_changes_nothing(bench: Environment, node: NodeView, vm: Vm) -> None:
    own, before = own_group(bench, node), bench.daemon_process()
    nested = detached(bench, "sleep", "600")
    files = [f"docker/{nested}/cgroup.procs", "docker/memory.max", "memory.max", "cgroup.subtree_control"]
    seen = read(node, own, *files)
    vm.run("systemctl daemon-reload")
    assert read(node, own, *files) == seen
    assert bench.docker("exec", nested, "echo", "alive", timeout=300) == "alive"
    assert bench.docker("run", "--rm", "--memory=64m", BUSYBOX_IMAGE, "echo", "new", timeout=300) == "new"
    assert fill(bench, NESTED + 64) == 137
    assert bench.daemon_process() == before
    bench.docker("kill", nested)


def test_a_node_that_stops_the_daemon_with_a_nested_container_is_named(
    bench: Environment, vm: Vm, vm_environments: Callable[[str], Environment]
) -> None:
    """docs/security.md: the kubelet's default, with systemd and this runc. A container keeps what it was created with."""

    def kubelet(single: str) -> None:
        vm.run(
            f'sed -i \'s/"singleProcessOOMKill": .*,/"singleProcessOOMKill": {single},/\' {KUBELET}; systemctl restart kubelet'
        )
        lifecycle.wait(vm.instance)
        # What it says of itself is of before, until it has looked again.
        eventually(lambda: bench.attempt("true").returncode == 0, "the kubelet answers again", 120, bench.story)

    before = bench.daemon_process()
    kubelet("false")
    try:
        stopped = vm_environments("stopped").apply(SPEC).ready(START_SECONDS)
        load_images(stopped)
        assert fill(stopped, NESTED + 64) != 0
        stopped.wait(lambda found: "singleProcessOOMKill" in str(found["status"].get("lastFailure")), "the cause", 300)
        assert stopped.status()["lastFailure"]["reason"] == "OutOfMemory"
        stopped.ready(START_SECONDS)
    finally:
        kubelet("true")
    assert bench.daemon_process() == before


def test_a_daemon_that_is_killed_comes_back_in_its_limits_and_nothing_of_the_old_one_stays(
    bench: Environment, node: NodeView
) -> None:
    old = container_id(bench.daemon_status())
    nested = detached(bench, "sleep", "600")
    bench.run("sh", "-c", "kill -KILL $(cat /var/run/docker.pid)")
    bench.wait_pod(
        lambda _: bench.daemon_status().get("ready") and container_id(bench.daemon_status()) != old,
        "another container, ready",
        START_SECONDS,
    )
    eventually(lambda: not node.groups(f"*{old}*") and not node.groups(nested), "no group of the old one", 60)
    assert bench.docker("run", "--rm", BUSYBOX_IMAGE, "echo", "again", timeout=300) == "again"
    assert nested_limit(bench, node) == NESTED * MIB
    assert fill(bench, NESTED + 64) == 137


def left_on(node: NodeView, uid: str) -> Callable[[], bool]:
    """Whether nothing of a pod is on the node: no group, no mount, no process."""
    spelled = uid.replace("-", "_")

    def nothing() -> bool:
        processes = node.run(f"grep -l {spelled} /proc/[0-9]*/cgroup 2>/dev/null || true")
        return not (node.pod_groups(uid) or node.mounts(uid) or processes)

    return nothing


def test_after_a_reboot_of_the_node_it_works_and_after_deletion_nothing_is_left(
    bench: Environment, node: NodeView, vm: Vm
) -> None:
    nested = detached(bench, "sleep", "600")
    old = container_id(bench.daemon_status())
    vm.reboot()
    bench.wait_pod(
        lambda _: bench.daemon_status().get("ready") and container_id(bench.daemon_status()) != old,
        "ready after the reboot",
        START_SECONDS,
    )
    bench.ready(START_SECONDS)
    eventually(lambda: node.run("true") == "", "the looker is back", START_SECONDS)
    assert not node.groups(nested)
    nested = detached(bench, "sleep", "600")
    assert node.groups(nested) == [f"{own_group(bench, node)}/docker/{nested}"]
    assert nested_limit(bench, node) == NESTED * MIB
    assert fill(bench, NESTED + 64) == 137
    uid = bench.pod_uid()
    assert not left_on(node, uid)()
    bench.delete()
    bench.gone(300)
    eventually(left_on(node, uid), "nothing of it on the node", 120)

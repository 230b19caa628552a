"""The modes without `privileged` where they belong: cgroup version 2, AppArmor enforcing, user namespaces, on the virtual node.

What a mode keeps, beyond what `test_each_mode.py` shows of each. Every act that must fail in a mode is shown to succeed in mode
Privileged by the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_memory import MIB, nested_limit
from tests.environment import Environment, gone
from tests.installation import Installation
from tests.live import Object
from tests.nested import composed_services_find_each_other
from tests.node_view import NodeView, container_id
from tests.vm.acts import ACTS, attempt, prepare
from tests.vm.conftest import VmEnvironment
from tests.vm.modes import MODES, WITHOUT_PRIVILEGE, nested, networks, spec
from tests.vm.patience import PATIENCE, START_SECONDS

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]

Environments = Callable[[str], Environment]
InMode = Callable[[str], Environment]


@pytest.fixture(scope="module")
def in_mode(operator: Installation, vm_namespace: str) -> Iterator[Callable[[str], Environment]]:
    """One environment for each mode, made when it is first asked for: a start takes most of a minute here."""
    made: dict[str, Environment] = {}

    def find(mode: str) -> Environment:
        if mode not in made:
            made[mode] = VmEnvironment(operator.cluster, vm_namespace, mode.lower()).apply(spec(mode))
            load_images(made[mode].ready(START_SECONDS))
        return made[mode]

    yield find
    gone(*made.values(), seconds=300)


@pytest.mark.parametrize("mode", WITHOUT_PRIVILEGE)
def test_networks_and_compose(in_mode: InMode, mode: str, tmp_path: Path) -> None:
    networks(in_mode(mode))
    composed_services_find_each_other(in_mode(mode), tmp_path, PATIENCE)


def test_what_each_mode_keeps(in_mode: InMode, vm_node: NodeView) -> None:
    """Devices, users and dangerous acts, for all three at once: what fails in one is shown to work in Privileged."""
    made = {mode: in_mode(mode) for mode in MODES}
    for environment in made.values():
        prepare(environment, vm_node)
    found = {mode: {name: attempt(made[mode], act) for name, act in ACTS.items()} for mode in MODES}
    expected = {mode: {name: mode in act.works_in for name, act in ACTS.items()} for mode in MODES}
    assert {
        mode: {name: done.returncode == 0 for name, done in acts.items()} for mode, acts in found.items()
    } == expected
    devices = {mode: made[mode].run("sh", "-c", "find /dev -type b | wc -l; ls /dev | wc -l").split() for mode in MODES}
    assert int(devices["Privileged"][0]) > 0
    for mode in WITHOUT_PRIVILEGE:
        assert devices[mode][0] == "0"
        assert int(devices[mode][1]) < 20
    users = {mode: node_users(made[mode], vm_node) for mode in MODES}
    assert users["Privileged"] == users["Capabilities"] == {0}
    assert users["UserNamespace"]
    assert min(users["UserNamespace"]) >= 65536


def node_users(environment: Environment, node: NodeView) -> set[int]:
    """Who the node takes the environment's processes for, a nested container's among them. The sandbox is in there too."""
    environment.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "600", timeout=300)
    own = container_id(environment.daemon_status())
    folders = " ".join(group for group in node.groups(f"*{own}*") if "pod" in group)
    script = (
        f"for p in $(find {folders} -name cgroup.procs -exec cat {{}} + | sort -u); do "
        "grep ^Uid: /proc/$p/status 2>/dev/null; done"
    )
    return {int(word) for line in node.run(script).splitlines() for word in line.split()[1:]}


@pytest.mark.parametrize("mode", WITHOUT_PRIVILEGE)
def test_nested_privilege_is_what_the_daemon_itself_has(in_mode: InMode, mode: str) -> None:
    """`--privileged` works, and gives the capabilities and the devices that the daemon's own container has."""
    environment = in_mode(mode)
    act = "mount -t tmpfs t /mnt && grep CapEff: /proc/self/status"
    plain = environment.attempt("docker", "run", "--rm", BUSYBOX_IMAGE, "sh", "-c", act, timeout=300)
    assert plain.returncode != 0
    own = environment.run("grep", "CapBnd:", "/proc/self/status").split()[1]
    assert nested(environment, "--privileged", BUSYBOX_IMAGE, "sh", "-c", act).split() == ["CapEff:", own]
    count = "find /dev -type b | wc -l; mount -t sysfs s /mnt && touch /mnt/kernel/x 2>/dev/null || echo read-only"
    assert nested(environment, "--privileged", BUSYBOX_IMAGE, "sh", "-c", count).split() == ["0", "read-only"]


@pytest.mark.parametrize("mode", WITHOUT_PRIVILEGE)
def test_what_a_hostile_nested_container_can_still_do(in_mode: InMode, vm_node: NodeView, mode: str) -> None:
    """It gets past the reserve, by a group beside or by the files, and not past the pod's own limit."""
    environment = in_mode(mode)
    own = container_id(environment.daemon_status())
    run = ("run", "--detach", "--rm", "--cgroup-parent=/elsewhere", BUSYBOX_IMAGE, "sleep", "600")
    sleeper = environment.docker(*run, timeout=300)
    (group,) = vm_node.groups(sleeper)
    assert group.endswith(f"{own}.scope/elsewhere/{sleeper}")
    environment.docker("kill", sleeper)
    listed = ["--cap-add=SYS_ADMIN", "--cgroupns=host", "--volume=/sys/fs/cgroup:/groups", BUSYBOX_IMAGE]
    limit = nested_limit(environment, vm_node)
    nested(environment, *listed, "sh", "-c", f"echo {limit - 4096} >/groups/docker/memory.max")
    assert nested_limit(environment, vm_node) == limit - 4096
    nested(environment, *listed, "sh", "-c", f"echo {limit} >/groups/docker/memory.max")
    past = environment.attempt(
        "docker", "run", "--rm", *listed, "sh", "-c", "echo max >/groups/memory.max", timeout=300
    )
    assert past.returncode != 0
    assert vm_node.run(f"cat {group.partition('/elsewhere/')[0]}/memory.max") == str(512 * MIB)


@pytest.mark.parametrize("missing", ["SYS_ADMIN", "NET_ADMIN", "NET_RAW"])
def test_each_capability_is_needed(in_mode: InMode, missing: str) -> None:
    """The pod of an environment that works, once more by hand, and without the capability."""
    environment = in_mode("Capabilities")
    assert nested(environment, BUSYBOX_IMAGE, "echo", "inside") == "inside"
    copy = Environment(environment.cluster, environment.namespace, f"without-{missing.lower().replace('_', '-')}")
    environment.cluster.apply(without(environment.pod() or {}, copy.name, missing))
    try:
        if missing == "NET_RAW":
            copy.wait_pod(_ready, "the daemon answers", START_SECONDS)
            load_images(copy)
            done = copy.attempt("docker", "run", "--rm", BUSYBOX_IMAGE, "true", timeout=300)
            assert done.returncode != 0
            assert "operation not permitted" in done.stderr
        else:
            copy.wait_pod(_failed, "a container of it fails", START_SECONDS)
    finally:
        copy.cluster.delete("pod", copy.name, copy.namespace)


def without(pod: Object, name: str, capability: str) -> Object:
    spec = {
        key: value for key, value in pod["spec"].items() if key not in ("nodeName", "priority", "serviceAccountName")
    }
    for container in [*spec["initContainers"], *spec["containers"]]:
        capabilities = container["securityContext"]["capabilities"]
        capabilities["add"] = [item for item in capabilities["add"] if item != capability]
        capabilities["drop"] = [capability]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": pod["metadata"]["namespace"]},
        "spec": spec,
    }


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _failed(pod: Object) -> bool:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    states = [state for item in containers for state in (item.get("state") or {}, item.get("lastState") or {})]
    return any((state.get("terminated") or {}).get("exitCode", 0) != 0 for state in states)


def test_a_handler_without_writable_cgroups_is_told(vm_environments: Environments) -> None:
    environment = vm_environments("read-only-cgroup").apply(spec("UserNamespace", runtimeClassName="dind-read-only"))
    told = environment.wait_reason("CgroupNotWritable", START_SECONDS)
    assert "cgroup_writable = true" in told["message"]
    environment.patch({"security": {"runtimeClassName": "dind"}})
    environment.ready(START_SECONDS)


def test_a_handler_that_the_node_lacks_is_told(vm_environments: Environments) -> None:
    environment = vm_environments("no-handler").apply(spec("UserNamespace", runtimeClassName="dind-absent"))
    told = environment.wait_reason("RuntimeHandlerMissing", START_SECONDS)
    assert "no handler for the RuntimeClass dind-absent" in told["message"]

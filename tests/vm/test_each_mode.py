"""What cgroup version 2 and AppArmor are for, in every security mode: what `make test` runs of environments on the virtual node.

There is one environment for each mode, used by all of the mode's tests, because a start takes most of a minute under emulation. That
of mode Privileged is under the enforced profile of this project. It is compared with a dind pod as people write it by hand. Two
workers run this module, one for what is privileged and one for the rest: a test waits for one process after another, and leaves one
of the node's two processors idle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from tests.cluster import docker_releases
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_memory import MIB, nested_limit
from tests.environment import Environment, eventually
from tests.installation import Installation
from tests.nested import groups_below_the_pod
from tests.node_view import NodeView
from tests.vm.acts import POSSIBLE, prepare, those_that_work, traces_in_the_report
from tests.vm.by_hand import ByHand
from tests.vm.conftest import SETTINGS, VmEnvironment
from tests.vm.groups import detached, own_group, read
from tests.vm.loader import COMPLAINED, ENFORCED, Loader
from tests.vm.modes import (
    DAEMON,
    LIMIT,
    NESTED,
    RESERVE,
    builds_without_memory_die_alone,
    hog,
    networks,
    run_build_and_limits_work,
    script,
    spec,
)
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = pytest.mark.timeout(1200)

PRIVILEGED = pytest.mark.xdist_group("privileged")
PROFILE = "dind"
SPECS = {
    "Privileged": spec("Privileged", appArmorProfile={"type": "Localhost", "localhostProfile": PROFILE}),
    "Capabilities": spec("Capabilities"),
    "UserNamespace": spec("UserNamespace"),
}
IN_FORCE = {"Privileged": ENFORCED, "Capabilities": "unconfined", "UserNamespace": "unconfined"}
EACH_MODE = [
    pytest.param("Privileged", marks=PRIVILEGED),
    pytest.param("Capabilities", marks=pytest.mark.xdist_group("capabilities")),
    pytest.param("UserNamespace", marks=pytest.mark.xdist_group("capabilities")),
]


@dataclass
class Benches:
    """One environment for each mode, with an image to run nested containers from."""

    operator: Installation
    namespace: str
    made: dict[str, Environment] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def start(self, mode: str) -> Environment:
        if mode not in self.made:
            named = VmEnvironment(self.operator.cluster, self.namespace, mode.lower())
            self.made[mode] = named.apply(SPECS[mode])
        return self.made[mode]

    def __getitem__(self, mode: str) -> Environment:
        environment = self.start(mode)
        if mode not in self.used:
            load_images(environment.ready(START_SECONDS))
            self.used.add(mode)
        return environment


@pytest.fixture(scope="module")
def benches(operator: Installation, vm_namespace: str) -> Iterator[Benches]:
    found = Benches(operator, vm_namespace)
    yield found
    for environment in found.made.values():
        environment.delete()


@pytest.fixture(scope="module")
def by_hand(operator: Installation, vm_namespace: str) -> Iterator[ByHand]:
    """It starts when it is asked for, and is waited for when it is used: its dockerd gives containerd 15 seconds to start."""
    with ByHand.started(operator.cluster, vm_namespace, "by-hand", f"{LIMIT}Mi") as found:
        yield found


@dataclass(frozen=True)
class Confined:
    """The environment that had to wait for its profile: what it said meanwhile, and who brought the profile."""

    environment: Environment
    told: str
    loader: Loader
    loaders: dict[str, str]
    """What the loader wrote, by node. It is on its way out: each look of its probe costs a second of this node."""


@pytest.fixture(scope="module")
def confined(operator: Installation, benches: Benches, vm: Vm) -> Confined:
    loader = Loader(operator, SETTINGS, vm)
    if loader.pods():  # of a run that was cut off
        loader.remove()
    loader.forget()
    told = benches.start("Privileged").wait_reason("AppArmorUnavailable", START_SECONDS)["message"]
    loader.load()
    assert loader.loaded() == {ENFORCED, COMPLAINED}
    logs = {node: loader.log(pod) for node, pod in loader.pods().items()}
    environment = benches["Privileged"]
    loader.start_removing()
    return Confined(environment, told, loader, logs)


@pytest.fixture
def bench(benches: Benches, request: pytest.FixtureRequest) -> Callable[[str], Environment]:
    """That of a mode, with what the mode needs of the node."""

    def find(mode: str) -> Environment:
        request.getfixturevalue("confined" if mode == "Privileged" else "runtime_classes")
        return benches[mode]

    return find


@PRIVILEGED
def test_a_profile_that_is_not_loaded_is_told_and_taken_up_when_it_is(confined: Confined, vm: Vm) -> None:
    assert f"AppArmor profile {PROFILE} is not loaded on the node {vm.name}" in confined.told
    assert "apparmor.load.enabled" in confined.told
    assert confined.environment.status()["node"]["appArmor"] == ENFORCED


@PRIVILEGED
@pytest.mark.usefixtures("by_hand")
def test_the_loader_serves_a_node_with_apparmor_and_one_without(confined: Confined, vm: Vm) -> None:
    """(The pod made by hand starts now: it is used later.)"""
    assert set(confined.loaders) == {vm.name, vm.instance.node_name}
    assert "loaded the profile dind-complain" in confined.loaders[vm.name]
    assert "This node has no AppArmor" in confined.loaders[vm.instance.node_name]


@pytest.mark.parametrize("mode", EACH_MODE)
def test_run_build_and_limits(benches: Benches, bench: Callable[[str], Environment], mode: str) -> None:
    environment = bench(mode)
    if mode == "Capabilities":
        # The next one starts while this one is used. At the same time both would take longer than a daemon has.
        benches.start("UserNamespace")
    mounted = environment.condition("CgroupsMounted")["message"]
    assert "cgroup v2" in mounted
    assert f"(mode {mode})" in mounted
    assert environment.known(300).status()["docker"] | {"serverVersion": ""} == {
        "serverVersion": "",
        "storageDriver": docker_releases.storage_driver(docker_releases.OWN),
        "cgroupVersion": "2",
        "cgroupDriver": "cgroupfs",
    }
    assert environment.status()["node"]["appArmor"] == IN_FORCE[mode]
    run_build_and_limits_work(environment)
    environment.is_true("IsolationVerified", 300)


@pytest.mark.parametrize("mode", EACH_MODE)
def test_who_runs_out_of_memory_is_told_and_nobody_else(
    bench: Callable[[str], Environment], vm_node: NodeView, mode: str
) -> None:
    """Nested groups are the pod's, the reserve keeps the daemon alive, and Docker knows which container was killed.

    (On cgroup version 1 it takes every container for killed that ran meanwhile.)
    """
    environment = bench(mode)
    before, innocent = script(
        environment,
        f"""
{DAEMON}docker run --detach --name=innocent {BUSYBOX_IMAGE} sh -c 'trap "exit 0" TERM; sleep 600 & wait'
""",
    )
    groups_below_the_pod(environment, vm_node, innocent)
    assert nested_limit(environment, vm_node) == NESTED * MIB
    enough, too_much, *ends, after = script(
        environment,
        f"""
{hog(NESTED // 2, "--rm")}{hog(NESTED + 144, "--name=hog")}
docker stop innocent >/dev/null
docker inspect --format '{{{{.Name}}}} {{{{.State.ExitCode}}}} {{{{.State.OOMKilled}}}}' innocent hog
docker rm innocent hog >/dev/null
{DAEMON}""",
    )
    assert (enough, too_much) == ("0", "137")
    assert ends == ["/innocent 0 false", "/hog 137 true"]
    assert after == before


@PRIVILEGED
def test_networks_under_the_enforced_profile(confined: Confined) -> None:
    environment = confined.environment
    inside = script(environment, f"docker run --rm {BUSYBOX_IMAGE} cat /proc/1/attr/current")
    assert inside == [ENFORCED]
    networks(environment)
    # Nothing of all this asked for more than there is: of what was denied nothing is missed, but it would fill the log.
    assert confined.loader.denied(PROFILE) == []


@PRIVILEGED
def test_privileged_containers_and_build_steps_are_below_the_pods_group(confined: Confined, vm_node: NodeView) -> None:
    environment, own = confined.environment, own_group(confined.environment, vm_node)
    assert environment.pod_uid().replace("-", "_") in own
    nested = detached(environment, "sleep", "600", options=("--privileged",))
    assert vm_node.groups(nested) == [f"{own}/docker/{nested}"]
    # A number that nothing else sleeps for. It is found and ended from the node, however long the build takes to get there.
    step = f"docker kill {nested} >/dev/null; printf 'FROM {BUSYBOX_IMAGE}\\nRUN sleep 86347 || echo ended\\n'"
    find = "for p in $(pgrep -x -f 'sleep 86347'); do cat /proc/$p/cgroup; done 2>/dev/null || true"
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(script, environment, f"{{ {step}; }} | docker build --no-cache --progress=plain - 2>&1")
        lines = eventually(lambda: vm_node.run(find).splitlines(), "the step's process", 200, environment.story)
        vm_node.run("pkill -x -f 'sleep 86347'")
        assert any(re.fullmatch(r"#\d+ [\d.]+ ended", line) for line in building.result())
    assert all(line.startswith(f"0::{own.removeprefix('/sys/fs/cgroup')}/docker/") for line in lines)


@PRIVILEGED
def test_no_nested_container_exceeds_the_pods_memory(confined: Confined, by_hand: ByHand, vm_node: NodeView) -> None:
    """Privileged or not; and the same container in a pod made by hand does, from outside of that pod's group."""
    environment, own = confined.environment, own_group(confined.environment, vm_node)
    before, *ends, after = script(
        environment, DAEMON + hog(LIMIT + 88, "--rm") + hog(LIMIT + 88, "--rm", "--privileged") + DAEMON
    )
    assert (ends, after) == (["137", "137"], before)
    limit, peak = read(vm_node, own, "memory.max", "memory.peak")
    assert limit == str(LIMIT * MIB)
    assert int(peak) <= LIMIT * MIB
    other = by_hand.ready()
    end, nested = script(other, hog(LIMIT + 88, "--rm") + f"docker run --detach {BUSYBOX_IMAGE} sleep 600")
    assert end == "0"
    (group,) = vm_node.groups(nested)
    assert other.pod_uid().replace("-", "_") not in group


@PRIVILEGED
def test_builds_without_memory_die_alone_each_time(confined: Confined) -> None:
    builds_without_memory_die_alone(confined.environment, NESTED + 64, 3)


@PRIVILEGED
def test_memory_that_is_resized_in_place_moves_the_nested_limit(confined: Confined, vm_node: NodeView) -> None:
    environment, own = confined.environment, own_group(confined.environment, vm_node)
    before = environment.daemon_process()
    for mebibytes, end in ((LIMIT + 256, "0"), (LIMIT, "137")):
        change = {"spec": {"containers": [{"name": "daemon", "resources": {"limits": {"memory": f"{mebibytes}Mi"}}}]}}
        where = ("--subresource=resize", f"--namespace={environment.namespace}", f"--patch={json.dumps(change)}")
        environment.cluster("patch", "pod", environment.name, *where)
        expected = [str(mebibytes * MIB), str((mebibytes - RESERVE) * MIB)]
        eventually(
            lambda expected=expected: read(vm_node, own, "memory.max", "docker/memory.max") == expected,
            "the pod's limit and the nested one",
            240,
            environment.story,
        )
        assert script(environment, hog(NESTED + 64, "--rm")) == [end]
    assert environment.daemon_process() == before


@PRIVILEGED
def test_the_loader_leaves_what_is_in_use(confined: Confined) -> None:
    confined.loader.gone()
    assert ENFORCED in confined.loader.loaded()


@PRIVILEGED
def test_what_is_dangerous_is_denied_and_works_unconfined(
    confined: Confined, by_hand: ByHand, vm_node: NodeView, vm: Vm
) -> None:
    environment, free = confined.environment, by_hand.ready()
    for each in (environment, free):
        prepare(each, vm_node)
    assert script(free, "cat /proc/1/attr/current") == ["unconfined"]
    assert those_that_work(free, POSSIBLE) == set(POSSIBLE)
    assert those_that_work(environment, POSSIBLE) == set()
    # docs/apparmor.md: a disk under another name is another file.
    environment.run("head", "-c", "1", "/tmp/disk")
    traces_in_the_report(environment, vm, PROFILE, "DENIED")

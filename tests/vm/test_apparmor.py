"""The profiles of this project on a node that enforces them, beyond what `test_each_mode.py` shows.

That is: a third level, the complain profile, rules of the site, and the loader's life.

One module for all of it, in this order, because an environment takes long to start under emulation: one is used, compared with
another, and outlives the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment, eventually, gone
from tests.installation import Installation
from tests.live import Object
from tests.node_view import NodeView, container_id
from tests.vm.acts import POSSIBLE, prepare, those_that_work, traces_in_the_report
from tests.vm.conftest import SETTINGS, VmEnvironment
from tests.vm.loader import COMPLAINED, ENFORCED, Loader
from tests.vm.modes import nested
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough]

MEMORY: Object = {"resources": {"limits": {"memory": "640Mi"}}, "reserve": {"memory": "256Mi"}}
CONFINED, COMPLAINING = "dind", "dind-complain"


@dataclass(frozen=True)
class Setting:
    """One environment for each profile, made when it is asked for."""

    loader: Loader
    namespace: str
    made: dict[str, Environment]

    def __getitem__(self, profile: str) -> Environment:
        if profile not in self.made:
            security = {"appArmorProfile": {"type": "Localhost", "localhostProfile": profile}}
            named = VmEnvironment(self.loader.installation.cluster, self.namespace, profile)
            self.made[profile] = named.apply({"security": security, "daemon": MEMORY})
            load_images(named.ready(START_SECONDS))
        return self.made[profile]


@pytest.fixture(scope="module")
def setting(operator: Installation, vm_namespace: str, vm: Vm) -> Iterator[Setting]:
    loader = Loader(operator, SETTINGS, vm)
    loader.forget()
    loader.load()
    found = Setting(loader, vm_namespace, {})
    yield found
    gone(*found.made.values(), seconds=300)
    loader.remove()


def test_a_third_level_under_the_enforced_profile(setting: Setting) -> None:
    third_level(setting[CONFINED])
    assert setting.loader.denied(CONFINED) == []


def third_level(environment: Environment) -> None:
    """A container with plain --privileged that runs dockerd by its own wrapper, and one in that.

    Its files are those of the daemon's image, mounted: to load that image takes minutes here.
    """
    folders = ["/usr:/usr", "/usr/bin:/bin", "/usr/sbin:/sbin", "/usr/lib:/lib", "/usr/lib64:/lib64"]
    volumes = [f"--volume={folder}:ro" for folder in [*folders, "/etc/alternatives:/etc/alternatives"]]
    entry = ["--entrypoint=/usr/local/lib/dind/entrypoint", "--volume=/var/lib/docker", "--tmpfs=/tmp"]
    # dockerd gives its containerd 15 s to start, which is little here.
    options = ["--detach", "--name=inner", "--privileged", "--restart=on-failure"]
    environment.docker("run", *options, *volumes, *entry, BUSYBOX_IMAGE, timeout=300)
    inner = ("exec", "--interactive", "inner", "docker")
    answers = lambda: environment.attempt("docker", *inner, "info", timeout=300).returncode == 0  # noqa: E731
    eventually(answers, "the inner daemon answers", 300, lambda: environment.docker("logs", "inner"), pause=2)
    assert environment.docker(*inner, "info", "--format", "{{.Driver}}", timeout=300) == "overlayfs"
    environment.docker(*inner, "load", stdin=images.nested_busybox_tar(), timeout=300)
    third = environment.docker(*inner, "run", "--rm", BUSYBOX_IMAGE, "cat", "/proc/1/attr/current", timeout=300)
    assert third == ENFORCED
    environment.docker("rm", "--force", "--volumes", "inner", timeout=300)


def test_what_would_be_denied_is_told_in_complain_mode(setting: Setting, vm_node: NodeView) -> None:
    prepare(setting[COMPLAINING], vm_node)
    assert setting[COMPLAINING].status()["node"]["appArmor"] == COMPLAINED
    assert those_that_work(setting[COMPLAINING], POSSIBLE) == set(POSSIBLE)
    traces_in_the_report(setting[COMPLAINING], setting.loader.vm, COMPLAINING, "ALLOWED")


def test_rules_of_the_site_reach_running_environments(setting: Setting, vm_node: NodeView) -> None:
    environment = setting[CONFINED]
    prepare(environment, vm_node)
    act = ("/tmp/busybox", "mount", "-t", "ramfs", "r", "/mnt")
    assert "ermission denied" in environment.attempt(*act).stderr
    before = environment.daemon_process()
    setting.loader.load("mount fstype=(ramfs),")
    environment.run(*act)
    environment.run("umount", "/mnt")
    assert environment.daemon_process() == before


def test_the_loader_leaves_what_is_in_use_and_unloads_what_is_not(setting: Setting, vm_node: NodeView) -> None:
    environment = setting[CONFINED]
    process = vm_node.first_process(container_id(environment.daemon_status()))
    setting.loader.remove()
    assert setting.loader.loaded() == {ENFORCED, COMPLAINED}
    assert setting.loader.vm.run(f"cat /proc/{process}/attr/current") == ENFORCED
    assert nested(environment, BUSYBOX_IMAGE, "echo", "inside") == "inside"
    gone(*setting.made.values(), seconds=300)
    # A later loader takes over what an earlier one left, and its end is the profiles' own.
    setting.loader.load()
    setting.loader.remove()
    assert setting.loader.loaded() == set()


def test_the_runtimes_own_profile(vm_environments: Callable[[str], Environment]) -> None:
    """It forbids mounts; and a privileged container does not get it from containerd."""
    profile = {"type": "RuntimeDefault"}
    environment = vm_environments("default").apply({"security": {"mode": "Capabilities", "appArmorProfile": profile}})
    told = environment.wait_reason("CgroupsNotMountable", START_SECONDS)["message"]
    assert "security.appArmorProfile (in force: cri-containerd.apparmor.d (enforce))" in told
    environment.patch({"security": {"mode": "Privileged"}})
    environment.wait(lambda found: profile_in_force(found) == "unconfined", "it runs unconfined", START_SECONDS)


def profile_in_force(found: Object) -> str | None:
    value: str | None = found.get("status", {}).get("node", {}).get("appArmor")
    return value

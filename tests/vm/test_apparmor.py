"""The profiles of this project on a node that enforces them: what an environment does, what it may not, and the loader's life.

One module for all of it, in this order, because an environment takes long to start under emulation: one waits for its profile,
gets it from the loader, is used, is compared with two others, and outlives the loader.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment, eventually, gone
from tests.installation import Installation
from tests.live import Object
from tests.node_view import NodeView, container_id
from tests.vm import pods
from tests.vm.acts import ACTS, prepare, those_that_work
from tests.vm.conftest import VmEnvironment
from tests.vm.modes import DOCKERFILE, nested, networks
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = pytest.mark.timeout(1800)

NAMESPACE = "kube-system"
DAEMON_SET = "dind-operator-apparmor"
LOADED = "/sys/kernel/security/apparmor/profiles"
MEMORY: Object = {"resources": {"limits": {"memory": "640Mi"}}, "reserve": {"memory": "256Mi"}}
CONFINED, COMPLAINING, FREE = "confined", "complaining", "free"
PROFILES: dict[str, Object] = {
    CONFINED: {"type": "Localhost", "localhostProfile": "dind"},
    COMPLAINING: {"type": "Localhost", "localhostProfile": "dind-complain"},
    FREE: {"type": "Unconfined"},
}
ENFORCED, COMPLAINED = "dind (enforce)", "dind-complain (complain)"
POSSIBLE = {name: act for name, act in ACTS.items() if "Privileged" in act.works_in}


def loading(*, enabled: bool = True, rules: str = "") -> Object:
    load = {"enabled": enabled, "namespace": NAMESPACE, "tolerations": [pods.TOLERATION]}
    return {"apparmor": {"load": load, "extraRules": rules}}


@dataclass(frozen=True)
class Loader:
    """The chart's DaemonSet, on both nodes."""

    installation: Installation
    vm: Vm

    def change(self, values: Object) -> None:
        # Helm would wait too little: this node is slow.
        replace(self.installation, flags=()).upgrade(values)

    def loaded(self) -> set[str]:
        """What of the two is in the node's kernel, with its mode."""
        return {line for line in self.vm.run(f"cat {LOADED}").splitlines() if line.startswith("dind")}

    def load(self, rules: str = "") -> None:
        self.change(loading(rules=rules))
        where = f"--namespace={NAMESPACE}"
        self.installation.cluster("rollout", "status", f"daemonset/{DAEMON_SET}", where, "--timeout=600s", timeout=630)

    def remove(self) -> None:
        """Returns when its pods are gone: until then they may unload."""
        self.change(loading(enabled=False))
        eventually(lambda: not self.pods(), "the loader is gone", 300)

    def pods(self) -> dict[str, str]:
        """By node."""
        found = self.installation.cluster.json(
            "get", "pods", f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/component=apparmor-loader"
        )
        return {item["spec"].get("nodeName", ""): item["metadata"]["name"] for item in found["items"]}


@dataclass(frozen=True)
class Setting:
    """One environment for each profile; the two that the first test does not need are made when they are asked for."""

    loader: Loader
    make: Callable[[str], Environment]
    told: str
    """What the confined one said while its profile was not loaded."""
    made: dict[str, Environment]

    def __getitem__(self, name: str) -> Environment:
        if name not in self.made:
            self.made[name] = self.make(name)
            self.complete(name)
        return self.made[name]

    def complete(self, name: str) -> None:
        environment = self.made[name].ready(START_SECONDS)
        load_images(environment)


@pytest.fixture(scope="module")
def setting(operator: Installation, vm_namespace: str, vm: Vm) -> Iterator[Setting]:
    """An environment at work that had to wait for its profile."""
    loader = Loader(operator, vm)
    # A clean kernel; and every message in its log, where it would leave some out of a burst.
    vm.run(
        'for name in dind dind-complain; do ! grep -q "^$name " '
        f'{LOADED} || echo "profile $name {{}}" | apparmor_parser --remove; done; '
        "sysctl -q kernel.printk_ratelimit=0; dmesg --clear"
    )

    def make(name: str) -> Environment:
        security = {"appArmorProfile": PROFILES[name]}
        return VmEnvironment(operator.cluster, vm_namespace, name).apply({"security": security, "daemon": MEMORY})

    made = {CONFINED: make(CONFINED)}
    told = made[CONFINED].wait_reason("AppArmorUnavailable", START_SECONDS)["message"]
    loader.load()
    found = Setting(loader, make, told, made)
    found.complete(CONFINED)
    yield found
    gone(*made.values(), seconds=300)
    loader.remove()


def test_a_profile_that_is_not_loaded_is_told_and_taken_up_when_it_is(setting: Setting, vm: Vm) -> None:
    assert f"AppArmor profile dind is not loaded on the node {vm.name}" in setting.told
    assert "apparmor.load.enabled" in setting.told
    assert setting[CONFINED].status()["node"]["appArmor"] == ENFORCED


def test_the_loader_serves_a_node_with_apparmor_and_one_without(setting: Setting, vm: Vm) -> None:
    assert setting.loader.loaded() == {ENFORCED, COMPLAINED}
    here = setting.loader.pods()
    assert set(here) == {vm.name, vm.instance.node_name}
    logs = {
        node: setting.loader.installation.cluster("logs", name, f"--namespace={NAMESPACE}")
        for node, name in here.items()
    }
    assert "loaded the profile dind-complain" in logs[vm.name]
    assert "This node has no AppArmor" in logs[vm.instance.node_name]


def test_run_build_and_networks_under_the_enforced_profile(setting: Setting, tmp_path: Path) -> None:
    environment = setting[CONFINED]
    assert nested(environment, BUSYBOX_IMAGE, "cat", "/proc/1/attr/current") == ENFORCED
    (dockerfile := tmp_path / "Dockerfile").write_text(DOCKERFILE)
    environment.docker("build", "--progress=plain", "--tag=greeter", "-", stdin=dockerfile, timeout=600)
    assert nested(environment, "greeter") == "built inside"
    networks(environment)
    # Nothing of this asked for more than there is: of what was denied nothing is missed, but it would fill the log.
    assert denied(setting, CONFINED) == []


@pytest.mark.thorough
def test_a_third_level_under_the_enforced_profile(setting: Setting) -> None:
    third_level(setting[CONFINED])
    assert denied(setting, CONFINED) == []


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


def denied(setting: Setting, name: str) -> list[str]:
    """The lines of the node's log about an environment's profile."""
    profile = PROFILES[name]["localhostProfile"]
    lines = setting.loader.vm.run("dmesg").splitlines()
    return [line for line in lines if f'profile="{profile}"' in line and "STATUS" not in line]


def test_what_is_dangerous_is_denied_and_works_unconfined(setting: Setting, vm_node: NodeView) -> None:
    for name in (CONFINED, FREE):
        prepare(setting[name], vm_node)
    assert setting[FREE].status()["node"]["appArmor"] == "unconfined"
    assert those_that_work(setting[FREE], POSSIBLE) == set(POSSIBLE)
    assert those_that_work(setting[CONFINED], POSSIBLE) == set()
    # docs/apparmor.md: a disk under another name is another file.
    setting[CONFINED].run("head", "-c", "1", "/tmp/disk")
    traces_in_the_report(setting, CONFINED, "DENIED")


@pytest.mark.thorough
def test_what_would_be_denied_is_told_in_complain_mode(setting: Setting, vm_node: NodeView) -> None:
    prepare(setting[COMPLAINING], vm_node)
    assert setting[COMPLAINING].status()["node"]["appArmor"] == COMPLAINED
    assert those_that_work(setting[COMPLAINING], POSSIBLE) == set(POSSIBLE)
    traces_in_the_report(setting, COMPLAINING, "ALLOWED")


def traces_in_the_report(setting: Setting, name: str, assessment: str) -> None:
    text = messages(report(setting[name], setting.loader.vm))
    assert f"profile: {PROFILES[name]['localhostProfile']}" in " ".join(text.split())
    for trace in TRACES:
        lines = [line for line in text.splitlines() if trace in line]
        assert lines, f"{trace} in {text}"
        assert all(assessment in line for line in lines), lines


# What the acts leave in the log, each by one of its words.
TRACES = ["/mnt/", "/dev/vda", "sys_module", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/tmp/s/"]


def report(environment: Environment, vm: Vm) -> str:
    """As docs/apparmor.md has it: the node's log through a pipe into the command."""
    line = [sys.executable, "-m", "dind_operator", "report", environment.name, "--namespace", environment.namespace]
    variables = {**os.environ, "KUBECONFIG": str(environment.cluster.kubeconfig)}
    variables["PYTHONPATH"] = str(Path(__file__).parents[2] / "operator")
    log = vm.run("journalctl --dmesg --since -1h --no-pager")
    done = subprocess.run(
        [*line, "--node-log", "-"], env=variables, input=log, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def messages(text: str) -> str:
    """Its section on AppArmor."""
    return text[text.index("APPARMOR MESSAGES") :]


@pytest.mark.thorough
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


@pytest.mark.thorough
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


@pytest.mark.thorough
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

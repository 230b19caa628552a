"""The embedded cluster's life, on a second instance beside the one the other tests use.

Each test leaves a cluster in some state and shows that `up` makes it whole or `down` removes all of it. Each may run alone; in this
order they start few clusters, because a test that needs a whole one finds that of the test before it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import own_machine
from tests.cluster import cgroups, lifecycle, network, node, own_images, store, teardown, tools, versions
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord, wait_until
from tests.cluster.record import checkout

pytestmark = pytest.mark.timeout(400)

INSTANCE = Instance("life")


def command(verb: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster", verb]


def environment() -> dict[str, str]:
    return {**os.environ, "DIND_CLUSTER_INSTANCE": INSTANCE.name, "CLUSTER": "embedded", "NODES": "host"}


def run(verb: str, cwd: Path | None = None, expect: int = 0) -> str:
    done = subprocess.run(
        command(verb), check=False, cwd=cwd or checkout(), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == expect, done.stderr
    return done.stderr + done.stdout


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    words = ["kubectl", f"--kubeconfig={INSTANCE.kubeconfig}", *arguments]
    done = subprocess.run(words, check=False, capture_output=True, text=True, input=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_pod(name: str, script: str = "exec sleep 86400") -> None:
    """A privileged pod, waited for until it runs."""
    store.import_images(INSTANCE, [store.Image(own_images.BUSYBOX_IMAGE, own_images.busybox())])
    container = {
        "name": "c",
        "image": own_images.BUSYBOX_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "securityContext": {"privileged": True},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl("apply", "--filename=-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def servers() -> dict[str, ProcessRecord | None]:
    commands = lifecycle.server_commands(INSTANCE, lifecycle.layout_of(INSTANCE))
    return {name: node.find(INSTANCE, words) for name, words in commands.items()}


def kill(*names: str) -> None:
    found = servers()
    for name in names:
        process = found[name]
        assert process is not None, f"{name} does not run"
        assert process.send(signal.SIGKILL)
    for name in names:
        process = found[name]
        assert process is not None
        assert wait_until(lambda process=process: not process.alive(), 10), f"{name} survived"


@pytest.fixture(scope="module", autouse=True)
def _nothing_before_and_after() -> Iterator[None]:
    run("down")
    yield
    run("down")


@pytest.fixture
def cluster() -> Instance:
    """The cluster, up; whatever the test before left of it."""
    run("up")
    return INSTANCE


@pytest.fixture
def nothing() -> None:
    run("down")


def test_down_leaves_a_machine_as_it_was() -> None:
    views = own_machine.trial()
    before, during, after = (views[when] for when in ("before", "during", "after"))
    for what in ("cgroups", "links", "routes", "rules", "processes", "folders", "state", "settings"):
        assert during[what] != before[what], f"the cluster changed nothing of the machine's {what}: the check is blind"
    # The node's many mounts are its own: not one of them shows on the machine, and none is left.
    assert len(during["on the node"]) > len(before["mounts"])
    assert during["mounts"] == before["mounts"]
    left = {what: (before[what], after[what]) for what in before if after[what] != before[what]}
    assert left == {}


def test_stopping_twice_is_fine(nothing: None) -> None:
    assert "nothing to stop" in run("down")
    assert "down" in run("status", expect=1)


def test_two_starts_at_once_take_turns(nothing: None) -> None:
    words = {"cwd": checkout(), "env": environment(), "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command("up"), **words) for _ in range(2)]  # type: ignore[call-overload]
    said = [process.communicate(timeout=180)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("which uses the cluster life" in text for text in said) == [False, True]
    assert sum("started etcd" in text for text in said) == 1


def test_up_twice_changes_nothing(cluster: Instance) -> None:
    run_pod("stays")
    uid = kubectl("get", "pod", "stays", "--output=jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}")
    processes = servers()
    assert None not in processes.values()
    assert "Checking the cluster" in run("up")
    assert servers() == processes
    again = kubectl(
        "get", "pod", "stays", "--output=jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}"
    )
    assert again == uid
    assert "cluster life: up" in run("status")


def test_the_node_runs_what_was_built_and_nothing_of_the_machine(cluster: Instance) -> None:
    run_pod("programs")
    info = json.loads(kubectl("get", "node", INSTANCE.node_name, "--output=jsonpath={.status.nodeInfo}"))
    assert info["kubeletVersion"] == f"v{versions.CHOSEN}"
    assert info["containerRuntimeVersion"] == f"containerd://{versions.CONTAINERD}"
    running = {os.readlink(f"/proc/{pid}/exe") for pid in cgroups.members(INSTANCE.cgroup)}
    shims = {Path(program) for program in running if Path(program).name.startswith("containerd-shim")}
    assert shims == {tools.tool("containerd").with_name("containerd-shim-runc-v2")}
    # A kubelet of today refuses cgroup version 1 by itself, so whoever starts the cluster is told.
    assert ("failCgroupV1: false" in run("up")) is (cgroups.version() == 1)


def test_names_resolve_in_pods_and_services_answer(cluster: Instance) -> None:
    run_pod("lookup")
    inside = ("exec", "lookup", "--", "sh", "-c")
    assert INSTANCE.api_service_address in kubectl(*inside, "nslookup kubernetes.default.svc.cluster.local")
    # A Service's address, through kube-proxy's rules: CoreDNS' own health over the address of its Service.
    assert "Server:" in kubectl(*inside, f"nslookup kubernetes.default.svc.cluster.local {INSTANCE.dns_address}")


@pytest.mark.parametrize(
    "names",
    [
        ("kubelet",),
        ("etcd",),
        ("containerd", "kube-proxy"),
        ("kube-apiserver", "kube-scheduler", "kube-controller-manager"),
    ],
)
def test_up_repairs_a_crash_of_some_servers(cluster: Instance, names: tuple[str, ...]) -> None:
    before = servers()
    kill(*names)
    status = run("status", expect=1)
    assert all(f"{name:<24} not running" in status for name in names)
    run("up")
    after = servers()
    assert None not in after.values()
    # What ran on was left alone. These two may end themselves when the API server does not answer for a while.
    kept = set(before) - set(names) - {"kube-controller-manager", "kube-scheduler"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    run_pod(f"after-{names[0]}")


def test_a_reboot_keeps_objects_and_disks(cluster: Instance) -> None:
    run_pod("survivor")
    kubectl("create", "configmap", "kept", "--from-literal=a=b")
    processes = servers()
    run("reboot")
    assert not any(process and process.alive() for process in processes.values())
    assert kubectl("get", "configmap", "kept", "--output=jsonpath={.data.a}") == "b"
    kubectl("wait", "--for=condition=Ready", "pod/survivor", "--timeout=90s")
    restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}"
    assert wait_until(lambda: kubectl("get", "pod", "survivor", restarts) == "1", 60, interval=0.5)


def test_a_cluster_of_another_checkout_is_replaced_with_a_message(cluster: Instance, tmp_path: Path) -> None:
    run_pod("old")
    processes = servers()
    other = tmp_path / "checkout"
    shutil.copytree(Path(checkout()) / "tests" / "cluster", other / "tests" / "cluster")
    said = run("up", cwd=other)
    assert f"was started from another checkout, {checkout()}: replacing it" in said
    assert not any(process and process.alive() for process in processes.values())
    assert "old" not in kubectl("get", "pods", "--output=name")
    # And the other way round, now that the record names that one.
    assert f"was started from another checkout, {other}: replacing it" in run("up")


def test_up_after_everything_was_killed(cluster: Instance) -> None:
    init = node.find_init(INSTANCE)
    assert init is not None
    init.send(signal.SIGKILL)
    assert wait_until(lambda: not cgroups.members(INSTANCE.cgroup), 20)
    run("up")
    run_pod("again")


def test_down_goes_on_after_a_stop_half_way(cluster: Instance) -> None:
    with subprocess.Popen(command("down"), cwd=checkout(), env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.kill()
    run("down")
    assert teardown.leftovers(INSTANCE) == []


HALF_WAY = ["==> Starting", "started etcd", "started kube-apiserver", "started kubelet", "imported"]


def interrupt_up(word: str) -> None:
    """Starts `up` and kills it when it prints `word`."""
    with subprocess.Popen(
        command("up"), cwd=checkout(), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if word in line:
                process.kill()
                break
        assert process.wait(60) == -signal.SIGKILL, f"`up` ended before it printed {word!r}"


def test_up_goes_on_after_a_stop_half_way(nothing: None) -> None:
    """Stopped at one point after the other: each `up` goes on from where the one before it was killed, to the next."""
    for word in HALF_WAY:
        interrupt_up(word)
    run("up")
    assert None not in servers().values()
    run_pod("whole")


def test_down_finds_a_cluster_whose_folder_was_deleted(cluster: Instance) -> None:
    shutil.rmtree(INSTANCE.state, ignore_errors=True)
    assert cgroups.members(INSTANCE.cgroup)
    assert network.link_exists(INSTANCE)
    run("down")
    assert teardown.leftovers(INSTANCE) == []


@pytest.mark.parametrize("word", HALF_WAY)
def test_down_removes_what_a_stop_half_way_left(nothing: None, word: str) -> None:
    interrupt_up(word)
    assert teardown.leftovers(INSTANCE) != []
    run("down")
    assert teardown.leftovers(INSTANCE) == []

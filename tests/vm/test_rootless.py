"""Rootless dockerd beside mode UserNamespace: what each needs of its pod and of the node, what it can do, and how long that takes.

A page of docs/decisions rests on it. What is asserted is what that page says; the times are printed as ratios, for the
page, and not asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.bench.figures import spread
from tests.cluster import docker_releases, images, store
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.cluster.vm.containerd import GuestContainerd
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_memory import MIB
from tests.environment import Environment, eventually
from tests.live import Cluster, Object
from tests.vm import pods, rootless
from tests.vm.modes import spec
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(2400), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]

ROUNDS = 5
BUILD = f"FROM {BUSYBOX_IMAGE}\n" + "".join(f"RUN echo {step} >/step\n" for step in range(4))


@pytest.fixture(autouse=True)
def _image(vm: Vm) -> None:
    store.import_images(vm.instance, [docker_releases.image(docker_releases.ROOTLESS)], GuestContainerd(vm.instance))


@pytest.fixture
def tun_for_everybody(vm: Vm) -> Iterator[None]:
    """/dev/net/tun, as udev gives it on most nodes."""
    before = vm.run("modprobe tun && stat -c %a /dev/net/tun && chmod 666 /dev/net/tun")
    yield
    vm.run(f"chmod {before} /dev/net/tun")


@contextmanager
def pod(kubectl: Cluster, namespace: str, name: str, security: Object, more: Object) -> Iterator[Environment]:
    kubectl.apply(rootless.manifest(name, namespace, security, more))
    try:
        yield Environment(kubectl, namespace, name)
    finally:
        kubectl.delete("pod", name, namespace, seconds=300)


def said(found: Environment, words: str) -> bool:
    return any(words in found.log(previous=previous) for previous in ("false", "true"))


def answers(found: Environment) -> bool:
    return found.attempt("docker", "version", timeout=300).returncode == 0


def test_it_does_not_start_with_what_any_pod_has(kubectl: Cluster, namespace: str) -> None:
    """Not in the pod's user namespace: the ids of a second one below are refused, and there is no /dev/net/tun."""
    with pod(kubectl, namespace, "confined", rootless.CONFINED, rootless.IN_USER_NAMESPACE) as found:
        eventually(lambda: said(found, "newuidmap: write to uid_map failed"), "the refusal", START_SECONDS, found.story)


def test_it_starts_privileged_and_has_no_limits_for_nested_containers(
    tun_for_everybody: None,
    kubectl: Cluster,
    namespace: str,
    vm_environments: Callable[[str], Environment],
    tmp_path: Path,
) -> None:
    with pod(kubectl, namespace, "rootless", rootless.PRIVILEGED, {}) as found:
        ours = vm_environments("ours").apply(spec("UserNamespace")).ready(START_SECONDS)
        eventually(lambda: answers(found), "the rootless daemon answers", START_SECONDS, found.story)
        load_images(ours)
        load_images(found)
        show = "cat /sys/fs/cgroup/memory.max"
        limited = ("run", "--rm", "--memory=64m", BUSYBOX_IMAGE, "sh", "-c", show)
        assert ours.docker(*limited, timeout=300) == str(64 * MIB)
        assert found.docker("info", "--format", "{{.CgroupDriver}}", timeout=300) == "none"
        assert found.attempt("docker", *limited, timeout=300).stdout.strip() != str(64 * MIB)
        serve = "dd if=/dev/zero of=/tmp/file bs=1M count=32 2>/dev/null; httpd -f -p 80 -h /tmp"
        files = pods.run(kubectl, pods.pod("files", namespace, "vm", serve))
        compare(ours, found, tmp_path, f"http://{files['status']['podIP']}/file")


def compare(ours: Environment, theirs: Environment, folder: Path, url: str) -> None:
    """In turns; the first round warms up."""
    (dockerfile := folder / "Dockerfile").write_text(BUILD)
    base = images.nested_busybox_tar()
    acts: dict[str, Callable[[Environment], object]] = {
        "run": lambda one: one.docker("run", "--rm", BUSYBOX_IMAGE, "true", timeout=600),
        "build, four steps": lambda one: one.docker("build", "--no-cache", "-", stdin=dockerfile, timeout=900),
        "download of 32 MiB": lambda one: one.docker(
            *("run", "--rm", BUSYBOX_IMAGE, "wget", "-q", "-O", "/dev/null", url), timeout=600
        ),
        "load": lambda one: one.docker("load", stdin=base, timeout=600),
    }
    for name, act in acts.items():
        ratios = []
        for _ in range(ROUNDS + 1):
            seconds = [measured(act, one) for one in (ours, theirs)]
            ratios.append(seconds[1] / seconds[0])
        median, least, most = spread(ratios[1:])
        print(f"{name}: rootless / UserNamespace {median} ({least} to {most}), {ROUNDS} rounds")


def measured(act: Callable[[Environment], object], one: Environment) -> float:
    begin = time.monotonic()
    act(one)
    return time.monotonic() - begin

"""What an environment is for: nested containers and builds, inside the pod and its limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.sockets import Socket, listening
from tests.environment import Environment, eventually
from tests.nested import composed_services_find_each_other
from tests.node_view import NodeView, container_id

DOCKERFILE = """FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*
CMD ["hello", "--greeting=built inside"]
"""


def test_a_nested_container_runs_through_the_cli_in_the_pod(bench: Environment) -> None:
    assert bench.docker("run", "--rm", BUSYBOX_IMAGE, "echo", "hello from inside") == "hello from inside"
    # The CLI found its daemon at the usual place, which is a link to the shared socket.
    assert bench.run("readlink", "/var/run/docker.sock") == "/run/dind/docker.sock"


def test_a_nested_build_installs_a_package_and_its_image_runs(bench: Environment) -> None:
    bench.docker("load", stdin=images.nested_base_tar())
    bench.docker("build", "--progress=plain", "--tag=greeter", "-", stdin=DOCKERFILE.encode(), timeout=240)
    assert bench.docker("run", "--rm", "greeter") == "built inside"
    # The package came with the build: the base does not have it.
    without = bench.attempt("docker", "run", "--rm", "debian:trixie-slim", "hello")
    assert without.returncode == 127


def test_compose_brings_up_services_that_find_each_other(bench: Environment, tmp_path: Path) -> None:
    composed_services_find_each_other(bench, tmp_path)


def test_nested_containers_are_inside_the_cgroup_of_the_pod(bench: Environment, node: NodeView) -> None:
    nested = bench.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "300")
    try:
        groups = node.groups(nested)
        pod = bench.pod_uid()
        own = container_id(bench.daemon_status())
        assert {group.split("/dind-", 1)[0].split("/kubepods", 1)[0] for group in groups} == node.hierarchies()
        for group in groups:
            assert pod in group.replace("_", "-"), group
            assert own in group, group
            assert group.endswith(f"/docker/{nested}"), group
        members = {node.run(f"cat {group}/cgroup.procs") for group in groups}
        assert len(members) == 1, f"the process is not in the same place everywhere: {members}"
        assert node.run(f"cat /proc/{members.pop()}/cmdline | tr '\\0' ' '") == "sleep 300"
        assert "sleep 300" in bench.docker("top", nested)
    finally:
        bench.docker("kill", nested)
    eventually(lambda: not node.groups(nested), "the groups of a container that ended are removed", 20)


def test_the_daemon_listens_on_exactly_these_sockets(bench: Environment) -> None:
    # Every address of the pod: one socket serves both families where the pod has IPv6.
    every = {Socket("tcp6", f"{'0' * 32}:2376"), Socket("tcp", "00000000:2376")}
    endpoint = listening(bench) & every
    assert len(endpoint) == 1
    expected = endpoint | {
        Socket("unix", "/run/dind/docker.sock"),
        # containerd's and libnetwork's own, in this container's file system: no nested container and no other
        # container of the pod can open them.
        Socket("unix", "/var/run/docker/containerd/containerd.sock"),
        Socket("unix", "/var/run/docker/containerd/containerd.sock.ttrpc"),
        Socket("unix", "/var/run/docker/containerd/containerd-debug.sock"),
        Socket("unix", "/var/run/docker/metrics.sock"),
        Socket("unix", "/var/run/docker/libnetwork/*.sock"),
    }
    assert listening(bench) == expected
    # The test sees what it looks for: a listener on the port of the old days shows.
    nested = bench.docker("run", "--detach", "--rm", "--network=host", BUSYBOX_IMAGE, "nc", "-l", "-p", "2375")
    try:
        # A container has a socket of containerd's as long as it runs: another one in the container's file system.
        opened = eventually(
            lambda: [one for one in listening(bench) - expected if one.family != "unix"], "the listener", 20
        )
        assert {socket.family for socket in opened} <= {"tcp", "tcp6"}
        assert {socket.address.rpartition(":")[2] for socket in opened} == {"2375"}
    finally:
        bench.docker("kill", nested)
    eventually(lambda: listening(bench) == expected, "nothing else than before", 20)


def test_only_the_folder_of_the_socket_is_shared(bench: Environment) -> None:
    assert bench.run("ls", "/run/dind") == "docker.sock"
    # The secrets that a daemon.json may hold are for nobody else.
    assert bench.run("stat", "-c", "%a", "/run/dind-private", "/run/dind-private/daemon.json").split() == ["700", "600"]


@pytest.mark.parametrize("program", ["docker", "containerd"])
def test_no_process_inherits_the_configuration(bench: Environment, program: str) -> None:
    """It may hold a proxy's password, and dockerd hands its variables on to what it starts."""
    pids = bench.run("sh", "-c", f"for f in /proc/[0-9]*; do case $(cat $f/comm) in {program}*) echo $f;; esac; done")
    assert pids
    for folder in pids.split():
        assert "DIND_NODE_CONFIG" not in bench.run("cat", f"{folder}/environ")

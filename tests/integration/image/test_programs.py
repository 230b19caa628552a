"""What is in the daemon's image beside the wrapper: Docker's programs in the versions of one file, and what they look for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import images, programs
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.integration.image.conftest import Daemon, StartDaemon

VERSIONS = programs.versions(Path(__file__).parents[3])
# How a program is asked: the line of image/daemon/versions that has the answer.
ASKED = {
    "dockerd --version": "DOCKER",
    "docker --version": "DOCKER_CLI",
    "docker buildx version": "BUILDX",
    "docker compose version": "COMPOSE",
    "containerd --version": "CONTAINERD",
    "runc --version": "RUNC",
}
# What dockerd starts, by the names that it looks for.
PROGRAMS = (
    *("dockerd", "docker", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy", "docker-init"),
    *("git", "iptables", "ip6tables", "nft", "ps", "xz"),
)
# Complaints of dockerd and containerd about a program, a group or a setting. (They also warn about what the node lacks.)
COMPLAINTS = (
    "not found in $PATH",
    "could not change group",
    "failed to find nft tool",
    "Failed to find nft tool",
    "unknown key",
)


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    started = start_daemon()
    started.wait_checked()
    return started


def test_docker_is_there_in_the_versions_of_the_one_file_and_needs_no_library(daemon: Daemon) -> None:
    for command, line in ASKED.items():
        assert VERSIONS[line] in daemon.run(*command.split()), command
    # Limits on system calls are a part of runc that can be left out, and then no container starts in a pod with some.
    assert "libseccomp: " in daemon.run("runc", "--version")
    for program in PROGRAMS:
        daemon.run("sh", "-c", f"command -v {program}")
    script = "for p in /usr/local/bin/* /usr/local/libexec/docker/cli-plugins/*; do ldd $p >/dev/null 2>&1 && echo $p; done; :"
    assert daemon.run("sh", "-c", script) == ""


def test_dockerd_misses_nothing_in_the_image(daemon: Daemon) -> None:
    log = daemon.log.read_text().splitlines()
    loud = [line for line in log if "level=info" not in line]
    assert [line for line in loud if any(text in line for text in COMPLAINTS)] == []
    assert daemon.run("stat", "-L", "-c", "%G %a", "/run/dind/docker.sock") == "docker 660"


def test_an_init_reaps_what_a_nested_container_leaves(daemon: Daemon) -> None:
    daemon.load(images.nested_busybox_tar())
    first = ("run", "--rm", "--network=none")
    assert daemon.run("docker", *first, "--init", BUSYBOX_IMAGE, "cat", "/proc/1/comm") == "docker-init"
    assert daemon.run("docker", *first, BUSYBOX_IMAGE, "cat", "/proc/1/comm") == "cat"

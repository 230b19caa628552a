"""A container that starts again: no init container runs, the volume, the network, the pids and files are what they are."""

from __future__ import annotations

import pytest
from tests.cluster import images, own_images
from tests.integration.image.conftest import Daemon, StartDaemon

FETCH = "timeout 2 wget -q -O - http://127.0.0.1:8081/hello"


def serve(daemon: Daemon) -> None:
    daemon.load(images.nested_busybox_tar())
    daemon.run("docker", "network", "create", "--subnet", "172.30.7.0/24", "mine")
    daemon.run(
        *("docker", "run", "--detach", "--restart", "always", "--name", "web", "--network", "mine", "-p", "8081:80"),
        *(
            own_images.BUSYBOX_IMAGE,
            "sh",
            "-c",
            "echo again >/tmp/hello; trap exit TERM; httpd -f -p 80 -h /tmp & wait",
        ),
    )
    assert fetch(daemon) == "again"


def fetch(daemon: Daemon) -> str:
    """What the published port answers, asked from the pod's network, as soon as it answers."""
    wget = f"docker run --rm --network host {own_images.BUSYBOX_IMAGE} {FETCH}"
    script = f"i=0; until {wget} 2>/tmp/wget; do i=$((i+1)); [ $i -lt 20 ] || {{ cat /tmp/wget >&2; exit 1; }}; sleep 0.3; done"
    return daemon.run("sh", "-c", script)


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_networks_and_published_ports_come_back(start_daemon: StartDaemon, userland: str, signal: str) -> None:
    first = start_daemon(userland=userland)
    first.wait_ready()
    serve(first)
    first.signal_daemon(signal)
    assert first.wait() == (137 if signal == "KILL" else 0)
    second = start_daemon(userland=userland)
    second.wait_checked()
    assert fetch(second) == "again"
    assert second.run("docker", "network", "ls", "--filter", "name=mine", "--quiet")
    assert second.run("docker", "ps", "--format", "{{.Names}}") == "web"
    # One rule for the port, not one for each start.
    rules = second.run("sh", "-c", "iptables -t nat -S DOCKER | grep -c -- '--dport 8081'")
    assert rules == "1"


STALE = "mkdir -p /var/run/docker/containerd; echo {0} >/var/run/docker.pid; echo {0} >/var/run/docker/containerd/containerd.pid"


@pytest.mark.parametrize("content", ["1", "2", "99999", "''", "x", "'1 2'"])
def test_stale_pid_files(start_daemon: StartDaemon, userland: str, content: str) -> None:
    """1 is the wrapper itself, 2 a program of something else that is alive, 99999 nobody."""
    inside = f"sleep 300 & {STALE.format(content)}; rm -rf /var/run/docker.sock; : >/var/run/docker.sock"
    daemon = start_daemon(userland=userland, inside=inside)
    daemon.wait_checked()
    said = daemon.log.read_text()
    assert "removed /var/run/docker.pid, left by a dockerd that is not running any more" in said
    assert "removed /var/run/docker/containerd/containerd.pid" in said
    assert daemon.run("docker", "ps", "--quiet") == ""


def test_a_daemon_that_is_alive_keeps_its_pid_file(start_daemon: StartDaemon) -> None:
    inside = "cp /bin/sleep /tmp/dockerd; /tmp/dockerd 300 & echo $! >/var/run/docker.pid"
    daemon = start_daemon(inside=inside)
    assert daemon.wait() == 1
    message = daemon.message()
    assert "removed" not in daemon.log.read_text()
    assert "process with PID" in message["tail"]
    assert "still running" in message["tail"]

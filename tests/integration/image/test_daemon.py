"""A real dockerd under the wrapper: it comes up, listens where it should, and ends as it should."""

from __future__ import annotations

import json
import re

from tests.cluster import images, own_images
from tests.integration.image.conftest import StartDaemon
from tests.sandbox import MIB

CONFIG = {
    "hosts": ["unix:///run/dind/docker.sock"],
    "data-root": "/var/lib/docker",
    "exec-root": "/var/run/docker",
    "pidfile": "/var/run/docker.pid",
    "cgroup-parent": "/docker",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
}
LISTENING = "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | grep -c ' 0A \\| 07 ' || :"


def test_a_daemon_in_a_pod(start_daemon: StartDaemon, userland: str) -> None:
    config = CONFIG | {"log-opts": {"tag": "quote \" and $HOME `x` 'y'"}}
    daemon = start_daemon(
        *("--debug", "--label", "a=two words, $HOME and 'quotes'"),
        userland=userland,
        memory=512 * MIB,
        config={"reserveBytes": 128 * MIB, "daemonConfig": config},
    )
    daemon.wait_ready()
    report = daemon.report()
    assert report == {
        "version": 1,
        "serverVersion": report["serverVersion"],
        "storageDriver": "overlayfs",
        "cgroupVersion": "1",
        "cgroupDriver": "cgroupfs",
    }
    assert daemon.message() == {"version": 1, "docker": report["serverVersion"]}
    info = json.loads(daemon.run("docker", "info", "--format", "{{json .}}"))
    assert info["Labels"] == ["a=two words, $HOME and 'quotes'"]
    assert info["Debug"] is True
    assert daemon.run("cat", "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes") == str(384 * MIB)
    # The program knows which limit that was made from.
    assert "the memory limit is now" not in daemon.log.read_text()
    assert daemon.run("/dind/dind-node", "ping", "/run/dind/docker.sock") == ""
    # The configuration as it was given, for root's eyes only, and not in anyone's environment.
    written = daemon.run("cat", "/run/dind-private/daemon.json")
    # Beside it what the entrypoint chose of what is not in there.
    found = json.loads(written)
    assert set(found) == {*config, "bip", "default-address-pools"}
    assert {name: found[name] for name in config} == config
    assert daemon.run("stat", "-c", "%a", "/run/dind-private", "/run/dind-private/daemon.json").split() == [
        "700",
        "600",
    ]
    environments = "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done | grep -c '^DIND_NODE_CONFIG' || :"
    assert daemon.run("sh", "-c", environments) == "0"
    # What keeps Docker and containerd from loading AppArmor profiles of theirs into the node's kernel.
    variables = daemon.run("sh", "-c", "tr '\\0' '\\n' </proc/$(cat /var/run/docker.pid)/environ")
    assert "container=docker" in variables.splitlines()


def test_it_listens_on_exactly_these_sockets(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    # The shim of the container that the helper starts has a socket, too, while it is there.
    daemon.wait_checked()
    unix = daemon.run(
        "sh", "-c", "grep ' 00010000 ' /proc/net/unix | while read -r a b c d e f g path; do echo $path; done"
    )
    assert sorted(re.sub(r"[0-9a-f]{12}", "ID", path) for path in unix.split()) == [
        "/run/dind/docker.sock",
        "/var/run/docker/containerd/containerd-debug.sock",
        "/var/run/docker/containerd/containerd.sock",
        "/var/run/docker/containerd/containerd.sock.ttrpc",
        "/var/run/docker/libnetwork/ID.sock",
        "/var/run/docker/metrics.sock",
    ]
    assert daemon.run("sh", "-c", LISTENING) == "0"
    # The same question sees a socket that was asked for.
    daemon.run("sh", "-c", "kill -TERM 1")
    assert daemon.wait() == 0
    without_hosts = {name: value for name, value in CONFIG.items() if name != "hosts"}
    other = start_daemon("--host", "tcp://127.0.0.1:2999", config={"daemonConfig": without_hosts})
    other.wait_logged("API listen on 127.0.0.1:2999")
    assert other.run("sh", "-c", LISTENING) == "1"


def test_nested_containers_are_in_the_containers_group_and_die_alone(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(memory=512 * MIB, config={"reserveBytes": 256 * MIB})
    daemon.wait_ready()
    pid = daemon.run("cat", "/var/run/docker.pid")
    daemon.load(images.nested_busybox_tar())
    nested = ["docker", "run", "--rm", own_images.BUSYBOX_IMAGE]
    groups = daemon.run(*nested, "cat", "/proc/self/cgroup").splitlines()
    own = [line.split(":")[2] for line in groups if line.split(":")[1]]
    assert own
    assert all(group.startswith("/docker/") for group in own)
    # The same program within the nested limit and above it, which is still below the container's own.
    hog = "head -c {0}m /dev/zero | tail -c {0}m | wc -c"
    assert daemon.run(*nested, "sh", "-c", hog.format(100)) == str(100 * MIB)
    assert daemon.run(*nested, "sh", "-c", hog.format(300), check=False) != str(300 * MIB)
    assert daemon.run("cat", "/var/run/docker.pid") == pid
    assert daemon.run("docker", "info", "--format", "{{.ServerVersion}}")


def test_a_runtime_that_mounts_proc_sys_read_only(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(
        userland=userland, inside="mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"
    )
    daemon.wait_ready()
    assert daemon.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1"
    assert "/proc/sys stays read-only" not in daemon.log.read_text()


def test_nested_containers_may_share_mounts_with_the_daemons(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.wait_ready()
    daemon.load(images.nested_busybox_tar())
    daemon.run("mkdir", "/x")
    script = "mount -t tmpfs tmpfs /x && echo inside >/x/file"
    daemon.run(
        "docker",
        "run",
        "--rm",
        "--cap-add=SYS_ADMIN",
        "--security-opt=apparmor=unconfined",
        "--volume=/x:/x:shared",
        own_images.BUSYBOX_IMAGE,
        "sh",
        "-c",
        script,
    )
    assert daemon.run("cat", "/x/file") == "inside"


def test_without_any_environment(start_daemon: StartDaemon) -> None:
    """`docker run --privileged IMAGE`: the wrapper beside its helper, the usual socket, no message file."""
    daemon = start_daemon(
        inside="set -- /usr/local/lib/dind/entrypoint; umount /log /dind", DIND_TERMINATION_LOG="", DIND_NODE_CONFIG=""
    )
    daemon.wait_ready()
    assert daemon.run("docker", "info", "--format", "{{.Driver}} {{.CgroupDriver}}") == "overlayfs cgroupfs"
    assert daemon.run("sh", "-c", "[ -S /var/run/docker.sock ] && [ ! -L /var/run/docker.sock ] && echo yes") == "yes"
    assert daemon.run("sh", "-c", "ls /dev/termination-log 2>/dev/null || echo none") == "none"


def test_an_image_without_a_shell(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside="rm /usr/bin/bash /usr/bin/dash /usr/bin/sh")
    daemon.wait_checked()
    daemon.load(images.nested_busybox_tar())
    assert daemon.run("docker", "run", "--rm", own_images.BUSYBOX_IMAGE, "echo", "inside") == "inside"


def test_sigterm_is_an_orderly_end(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(userland=userland)
    daemon.wait_ready()
    started = daemon.message()
    daemon.run("sh", "-c", "kill -TERM 1")
    assert daemon.wait() == 0
    assert daemon.message() == started
    assert "Daemon shutdown complete" in daemon.log.read_text()


def test_a_daemon_that_is_killed_leaves_its_last_words(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.wait_ready()
    daemon.signal_daemon("KILL")
    assert daemon.wait() == 137
    message = daemon.message()
    assert (message["exitCode"], message["signal"]) == (137, 9)
    assert "API listen on /run/dind/docker.sock" in message["tail"]
    assert message["docker"]


def test_a_daemon_that_can_start_no_container_says_so_until_it_can(start_daemon: StartDaemon) -> None:
    """As with a runc that is too old for its dockerd: everything answers, and nothing runs."""
    breaks = "cd /usr/local/bin && mv runc runc-kept && printf '#!/bin/sh\\nexit 1\\n' >runc && chmod +x runc && cd /"
    daemon = start_daemon(inside=breaks, config={"daemonConfig": CONFIG}, DIND_MINUTE_SECONDS="1")
    daemon.wait_ready()
    daemon.wait_logged('"startRefused":true')
    assert '"inside":null' in daemon.log.read_text()
    daemon.run("mv", "/usr/local/bin/runc-kept", "/usr/local/bin/runc")
    daemon.wait_logged('"inside":true')

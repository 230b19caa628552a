"""A real dockerd under the wrapper with the capabilities of the modes without `privileged`, on cgroup version 1.

Version 1 is refused in these modes; tests/vm runs them on version 2. That these capabilities are enough, and none too many, does not
depend on the version: it is tried here without naming the mode.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cluster import images, own_images
from tests.integration.image.conftest import Daemon, StartDaemon
from tests.integration.image.test_refusals import refused

# containerd's defaults (read: its oci/spec.go), and what the operator adds.
DEFAULTS = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
    *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
)
ADDED = ("net_admin", "net_raw", "sys_admin")
READ_ONLY = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"


def inside(*without: str) -> str:
    """Makes the wrapper run with the mode's capabilities, and with /proc/sys as containerd mounts it."""
    kept = sorted({*DEFAULTS, *ADDED} - set(without))
    only = ",".join(["-all", *(f"+{name}" for name in kept)])
    return f'{READ_ONLY}; set -- /dind/setpriv --bounding-set={only} --inh-caps=-all "$@"'


@pytest.fixture
def guarded(tool: Path, tmp_path: Path) -> Path:
    """The tool, and beside it the machine's setpriv: busybox's knows no bounding set."""
    folder = tmp_path / "tool"
    shutil.copytree(tool, folder, symlinks=True)
    shutil.copy2(shutil.which("setpriv") or "/usr/bin/setpriv", folder / "setpriv")
    return folder


def test_version_1_is_refused_and_privileged_works_there(
    start_daemon: StartDaemon, userland: str, guarded: Path
) -> None:
    mode = {"securityMode": "Capabilities"}
    error = refused(start_daemon(userland=userland, inside=inside(), config=mode, TOOL=str(guarded)))
    assert (error["check"], error["reason"]) == ("Cgroups", "CgroupVersionUnsupported")
    assert error["docker"]
    error = refused(start_daemon(userland=userland, config={"securityMode": "UserNamespace"}))
    assert error["reason"] == "CgroupVersionUnsupported"
    daemon = start_daemon(userland=userland, config={"securityMode": "Privileged"})
    daemon.wait_checked()
    assert daemon.run("docker", "ps", "--quiet") == ""


def test_the_capabilities_are_enough_for_dockerd_and_its_networks(
    start_daemon: StartDaemon, userland: str, guarded: Path
) -> None:
    daemon = start_daemon(userland=userland, inside=inside(), TOOL=str(guarded))
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "overlayfs"
    daemon.run("docker", "network", "create", "--subnet", "172.30.9.0/24", "mine")
    assert daemon.run("sh", "-c", "iptables -t nat -S POSTROUTING | grep -c 172.30.9.0") == "1"
    assert daemon.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1"
    held = daemon.run("sh", "-c", "grep ^CapBnd /proc/1/status")
    assert bin(int(held.split()[1], 16)).count("1") == len({*DEFAULTS, *ADDED})


def ended(daemon: Daemon) -> str:
    assert daemon.wait() == 1
    return daemon.log.read_text(errors="replace")


@pytest.mark.parametrize("missing", ["sys_admin", "net_admin"])
def test_dockerd_does_not_start_without_one_of_them(start_daemon: StartDaemon, guarded: Path, missing: str) -> None:
    daemon = start_daemon(inside=inside(missing), TOOL=str(guarded))
    said = ended(daemon)
    assert "API listen" not in said
    assert "Operation not permitted" in said or "Permission denied" in said or "operation not permitted" in said


@pytest.mark.parametrize(("missing", "runs"), [((), True), (("net_raw",), False)])
def test_nested_containers_get_their_defaults_only_if_the_daemon_holds_them(
    start_daemon: StartDaemon, guarded: Path, missing: tuple[str, ...], runs: bool
) -> None:
    """NET_RAW is in Docker's own default set; what the daemon lacks its runc cannot give."""
    daemon = start_daemon(inside=inside(*missing), TOOL=str(guarded))
    daemon.wait_ready()
    daemon.load(images.nested_busybox_tar())
    said = daemon.run("docker", "run", "--rm", own_images.BUSYBOX_IMAGE, "echo", "inside", check=False)
    assert (said == "inside") == runs, said
    assert runs or "operation not permitted" in said

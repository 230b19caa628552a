"""What the init container's check refuses, each beside a box where it passes, and that it leaves nothing then either."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any

import pytest
from tests.sandbox import MIB, Sandbox

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]


@contextlib.contextmanager
def ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[Any]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


def refused(result: tuple[int, dict[str, Any], str]) -> dict[str, str]:
    status, report, said = result
    assert (status, report["ok"]) == (1, False)
    error: dict[str, str] = report["error"]
    assert f"dind: {error['message']}\n" in said
    return error


def test_a_reserve_as_large_as_the_limit(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    box = make_sandbox(memory=256 * MIB)
    assert preflight(box, config={"reserveBytes": 256 * MIB - 4096})[0] == 0
    result = preflight(box, config={"reserveBytes": 256 * MIB})
    assert (refused(result)["check"], refused(result)["reason"]) == ("Memory", "MemoryLimitTooLow")
    # What was learned before the failure is told all the same.
    assert result[1]["memory"]["limitBytes"] == 256 * MIB
    assert "memory" in result[1]["cgroup"]["controllers"]


def test_a_configuration_of_a_newer_operator(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    error = refused(preflight(make_sandbox(), config={"storage": {"newer": True}}))
    assert (error["check"], error["reason"]) == ("Install", "NodeConfigInvalid")
    assert 'unknown field "newer"' in error["message"]
    assert "Use an image of the node tool that is as new as the operator." in error["message"]


# As on a node that has it.
APPARMOR = "mount -t tmpfs t /sys/module; mkdir -p /sys/module/apparmor/parameters; echo Y >/sys/module/apparmor/parameters/enabled"
OVERLAY = (
    "mkdir /run/l /run/u /run/w; mount -t overlay -o lowerdir=/run/l,upperdir=/run/u,workdir=/run/w o /var/lib/docker"
)


# As in a container without `privileged`, or on a kernel without it.
NO_FUSE = "touch /run/none; mount --bind /run/none /dev/fuse"


def test_a_volume_that_is_itself_an_overlay_where_no_program_can_help(
    make_sandbox: MakeSandbox, preflight: Preflight
) -> None:
    assert preflight(make_sandbox(more=NO_FUSE))[0] == 0
    result = preflight(make_sandbox(more=f"{OVERLAY}; {NO_FUSE}"))
    error = refused(result)
    assert (error["check"], error["reason"]) == ("Storage", "StorageNotOverlayCapable")
    assert "(overlay) cannot carry an overlay" in error["message"]
    assert "use storage.emptyDir" in error["message"]
    assert result[1]["storage"] == {
        "path": "/var/lib/docker",
        "filesystem": "overlay",
        "overlay": False,
        "driver": None,
    }


def test_a_volume_that_is_itself_an_overlay_is_left_to_fuse_where_there_is_the_device(
    make_sandbox: MakeSandbox, preflight: Preflight, tmp_path: Path
) -> None:
    # What an earlier check left, before the volume was another.
    (tmp_path / "dind" / "overlay-works").touch()
    status, report, said = preflight(make_sandbox(more=OVERLAY))
    assert (status, report["ok"]) == (0, True)
    assert (report["storage"]["overlay"], report["storage"]["driver"]) == (False, "fuse-overlayfs")
    assert "fuse-overlayfs could be used" in said
    assert not (tmp_path / "dind" / "overlay-works").exists()


def test_overlay2_by_name_is_not_replaced_by_another_driver(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    assert preflight(make_sandbox(), config={"storage": {"driver": "overlay2"}})[0] == 0
    error = refused(preflight(make_sandbox(more=OVERLAY), config={"storage": {"driver": "overlay2"}}))
    assert error["reason"] == "StorageNotOverlayCapable"


def test_fuse_overlayfs_by_name_needs_its_device(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, _ = preflight(make_sandbox(), config={"storage": {"driver": "fuse-overlayfs"}})
    assert (status, report["storage"]["driver"]) == (0, "fuse-overlayfs")
    error = refused(preflight(make_sandbox(more=NO_FUSE), config={"storage": {"driver": "fuse-overlayfs"}}))
    assert (error["check"], error["reason"]) == ("Storage", "FuseOverlayfsMissing")
    assert "needs /dev/fuse" in error["message"]


def test_a_driver_that_needs_no_overlay_is_the_users_own_choice(
    make_sandbox: MakeSandbox, preflight: Preflight
) -> None:
    status, report, said = preflight(make_sandbox(more=f"{OVERLAY}; {NO_FUSE}"), config={"storage": {"driver": "vfs"}})
    assert (status, report["storage"]["overlay"], report["storage"]["driver"]) == (0, False, "vfs")
    assert "left to dockerd" in said


def test_a_volume_whose_file_system_makes_no_whiteouts(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    result = preflight(make_sandbox(more=f"mount -t ramfs ramfs /var/lib/docker; {NO_FUSE}"))
    assert refused(result)["reason"] == "StorageNotOverlayCapable"
    assert result[1]["storage"]["filesystem"] == "ramfs"
    profile = result[1]["apparmor"]["profile"] or "none"
    assert f"allow overlay mounts in the AppArmor profile (now: {profile})." in refused(result)["message"]


def test_a_read_only_volume(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    error = refused(preflight(make_sandbox(more="mount -o remount,bind,ro /var/lib/docker")))
    assert (error["check"], error["reason"]) == ("Storage", "StorageNotWritable")
    assert "read-only file system" in error["message"]


def test_no_volume_at_all(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    error = refused(preflight(make_sandbox(more="umount /var/lib/docker; rmdir /var/lib/docker")))
    assert error["reason"] == "StorageNotWritable"


def test_a_full_volume(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    more = "mount -t tmpfs -o nr_inodes=3 tmpfs /var/lib/docker"
    error = refused(preflight(make_sandbox(more=more)))
    assert (error["check"], error["reason"]) == ("Storage", "DiskFull")
    assert "no space left on device" in error["message"]


def test_a_folder_that_cannot_take_the_tool(make_sandbox: MakeSandbox, preflight: Preflight, tmp_path: Path) -> None:
    error = refused(preflight(make_sandbox(more=f"mount -t tmpfs -o size=4k tmpfs {tmp_path}/dind")))
    assert (error["check"], error["reason"]) == ("Install", "NodeToolInstallFailed")
    assert "no space left on device" in error["message"]


def test_not_privileged(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    drop = f'{shutil.which("setpriv")} --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"'
    result = preflight(make_sandbox(more=APPARMOR), around=drop)
    error = refused(result)
    assert (error["check"], error["reason"]) == ("Cgroups", "CgroupsNotMountable")
    assert "needs a privileged container" in error["message"]
    # Known although the very first step failed: a profile may be why.
    assert result[1]["apparmor"]["enabled"] is True


def test_a_child_group_that_someone_else_holds(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    box = make_sandbox()
    child = box.groups["pids"] / "dind-preflight"
    child.mkdir()
    with ended(subprocess.Popen(["sleep", "60"])) as holder:
        (child / "cgroup.procs").write_text(str(holder.pid))
        error = refused(preflight(box))
    assert (error["check"], error["reason"]) == ("Cgroups", "CgroupSetupFailed")
    assert "could not remove the group (still in use)" in error["message"]


def test_a_child_group_that_cannot_be_limited(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    box = make_sandbox()
    child = box.groups["memory"] / "dind-preflight"
    child.mkdir()
    hold = "import time; x = b'x' * (100 << 20); print(flush=True); time.sleep(60)"
    with ended(subprocess.Popen([sys.executable, "-c", f"input(); {hold}"], stdin=-1, stdout=-1, text=True)) as holder:
        (child / "cgroup.procs").write_text(str(holder.pid))
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write("\n")
        holder.stdin.flush()
        holder.stdout.readline()
        error = refused(preflight(box))
    assert error["reason"] == "CgroupSetupFailed"
    assert "could not write 67108864 to /sys/fs/cgroup/memory/dind-preflight/memory.limit_in_bytes" in error["message"]


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT, SIGHUP])
def test_ended_half_way_it_leaves_nothing(make_sandbox: MakeSandbox, preflight: Preflight, signal: int) -> None:
    """Ended while its own files are on the volume, which takes a while with a fiftieth of a cpu."""
    box = make_sandbox()
    (box.groups["cpu"] / "cpu.cfs_quota_us").write_text("2000")
    ended: list[int] = []

    def end() -> None:
        limit = time.monotonic() + 60
        while not list(box.volume.glob(".dind-preflight.*")) and time.monotonic() < limit:
            time.sleep(0.001)
        for pid in (box.groups["pids"] / "cgroup.procs").read_text().split():
            if os.readlink(f"/proc/{pid}/exe").endswith("/dind-node"):
                os.kill(int(pid), signal)
                ended.append(int(pid))

    ending = threading.Thread(target=end)
    ending.start()
    status, report, _ = preflight(box)
    ending.join()
    assert len(ended) == 1
    assert (status, report["ok"]) == (143, False)
    assert "stopped unexpectedly: it was ended by a signal" in report["error"]["message"]
    assert report["error"]["check"] == "Storage"

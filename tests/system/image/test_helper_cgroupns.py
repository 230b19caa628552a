"""A command in namespaces of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NAMESPACES = ["readlink", "/proc/self/ns/cgroup", "/proc/self/ns/mnt"]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_cgroup_namespace_is_another_and_the_mount_namespace_stays(helper: Path) -> None:
    cgroup, mnt = run(helper, "cgroupns", "--", *NAMESPACES).stdout.split()
    assert cgroup != os.readlink("/proc/self/ns/cgroup")
    assert mnt == os.readlink("/proc/self/ns/mnt")


def test_a_mount_namespace_of_its_own_and_nothing_gets_out(helper: Path, tmp_path: Path) -> None:
    script = 'readlink /proc/self/ns/mnt; mount -t tmpfs tmpfs "$0" && touch "$0/inside" && ls "$0"'
    done = run(helper, "cgroupns", "--mount", "--", "sh", "-c", script, tmp_path)
    mnt, listing = done.stdout.split()
    assert mnt != os.readlink("/proc/self/ns/mnt")
    assert listing == "inside"
    assert list(tmp_path.iterdir()) == []


def test_the_commands_status_is_passed_on(helper: Path) -> None:
    assert run(helper, "cgroupns", "--", "sh", "-c", "exit 7").returncode == 7


def test_without_the_privilege_it_says_what_is_missing(helper: Path) -> None:
    done = run("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", helper, "cgroupns", "--", "true")
    assert done.returncode == 125
    assert "CAP_SYS_ADMIN" in done.stderr
    assert "operation not permitted" in done.stderr


def test_a_command_that_is_not_there(helper: Path) -> None:
    done = run(helper, "cgroupns", "--", "/no/such/program")
    assert (done.returncode, done.stderr) == (125, "dind-node: /no/such/program: no such file or directory\n")


def test_wrong_usage(helper: Path) -> None:
    for arguments in ([], ["--"], ["true"], ["--mount", "true"]):
        assert run(helper, "cgroupns", *arguments).returncode == 2
    assert run(helper).returncode == 2
    assert run(helper, "bogus").returncode == 2

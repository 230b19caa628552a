"""Version 2, as far as a version 1 machine can show it: its unified tree is a real cgroup2 without controllers.

What needs controllers (limits, the child group of the preflight) is seen on a node with version 2 only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]

# $0 is the folder of the tool; functions are called as the tool calls them, in a cgroup namespace.
SOURCE = """
set -eu; lib=$0; . "$lib/lib.sh"; . "$lib/modes.sh"; . "$lib/cgroups.sh"
write_failure() { echo "failed: $1 $2"; }
cgroup_version=2
"""


@pytest.fixture
def in_v2(make_sandbox: MakeSandbox, tool: Path) -> Callable[[str], str]:
    """Runs shell with the functions sourced, in a sandbox whose group the caller can look at; returns all output."""

    def run(script: str) -> str:
        done = make_sandbox().run(tool / "dind-node", "cgroupns", "--", "sh", "-c", SOURCE + script, tool)
        return done.stdout + done.stderr

    return run


InV2 = Callable[[str], str]


def test_the_tree_is_mounted_afresh_with_the_own_group_as_root(in_v2: InV2) -> None:
    out = in_v2(
        "unmount_all /sys/fs/cgroup; cgroup_mount_v2; stat -f -c %T /sys/fs/cgroup; "
        "grep -c '^0::/init$' /proc/self/cgroup; wc -l </sys/fs/cgroup/cgroup.procs; ls -d /sys/fs/cgroup/*/"
    )
    # busybox knows no name for this file system, only its number.
    kind, inside, left, *folders = out.split()
    assert kind in ("cgroup2fs", "UNKNOWN")
    assert (inside, left) == ("1", "0")
    assert folders == ["/sys/fs/cgroup/docker/", "/sys/fs/cgroup/init/"]


def test_processes_of_all_kinds_move(in_v2: InV2) -> None:
    out = in_v2(
        "sleep 5 & (sleep 5 & exec sleep 5) & unmount_all /sys/fs/cgroup; cgroup_mount_v2; "
        "wc -l </sys/fs/cgroup/init/cgroup.procs; wc -l </sys/fs/cgroup/cgroup.procs"
    )
    inside, left = map(int, out.split())
    assert inside >= 4
    assert left == 0


def test_a_required_controller_that_is_not_there_is_named(in_v2: InV2) -> None:
    out = in_v2("unmount_all /sys/fs/cgroup; cgroup_mount_v2; cgroup_require")
    assert "failed: Cgroups ControllerMissing" in out
    assert "The cgroup controller 'memory' is not available on this node (cgroup version 2 offers: " in out


def test_delegation_can_be_repeated_and_undone(in_v2: InV2) -> None:
    out = in_v2(
        "unmount_all /sys/fs/cgroup; cgroup_mount_v2; cgroup_delegate /sys/fs/cgroup; cgroup_undelegate /sys/fs/cgroup; "
        "grep -c '^0::/$' /proc/self/cgroup; ls -d /sys/fs/cgroup/*/ || :"
    )
    assert out.split()[0] == "1"
    assert "/sys/fs/cgroup/init/" not in out


def test_a_group_that_never_empties_is_given_up_after_five_seconds(in_v2: InV2) -> None:
    """The kernel's refusal is played by the enabling step; the moving and the bound are real."""
    out = in_v2(
        "unmount_all /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; sleep() { slept=$((${slept:-0} + 1)); }; "
        "cgroup_enable() { return 1; }; cgroup_delegate /sys/fs/cgroup || echo gave up after $slept"
    )
    assert out == "gave up after 24\n"


LINES = {
    "version 1": ("3:cpuset:/\n2:memory:/a\n1:name=systemd:/\n", "1", "cpuset memory"),
    "shared hierarchies": ("3:cpu,cpuacct:/\n2:memory:/\n1:pids:/\n", "1", "cpu cpuacct memory pids"),
    "hybrid": ("5:memory:/a\n4:pids:/\n1:name=systemd:/\n0::/\n", "1", "memory pids"),
    "version 2": ("0::/kubepods/pod1\n", "2", ""),
    "version 2 with a stray named hierarchy": ("1:name=systemd:/\n0::/\n", "2", ""),
    "version 2 with net_cls mounted by a VPN": ("1:net_cls:/\n0::/\n", "2", ""),
    "version 2 in a path with colons": ("0::/a:memory:/b\n", "2", ""),
}


@pytest.mark.parametrize("name", LINES)
def test_the_version_is_told_by_where_memory_cpu_and_pids_are(in_v2: InV2, name: str) -> None:
    lines, version, controllers = LINES[name]
    out = in_v2(f"cgroup_detect /dev/stdin <<'EOF'\n{lines}EOF\necho \"$cgroup_version|$cgroup_controllers\"")
    assert out == f"{version}|{controllers}\n"

"""`cgroups-mount mount` on this machine's cgroups: what dockerd will see."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import MIB, Sandbox, hierarchies

MakeSandbox = Callable[..., Sandbox]

# What is mounted at or below /sys/fs/cgroup in the sandbox: point, root, type.
TABLE = (
    "while read -r _ _ _ root point rest; do case $point in /sys/fs/cgroup*) echo $point $root ${rest##*- };; esac; "
    "done </proc/self/mountinfo"
)


def mounts(out: str) -> dict[str, tuple[str, str]]:
    rows = [line.split()[:3] for line in out.splitlines() if line.startswith("/sys/fs/cgroup")]
    found = {point: (root, kind) for point, root, kind in rows}
    assert len(found) == len(rows), "something is mounted twice"
    return found


def test_every_hierarchy_is_mounted_once_with_its_own_group_as_root(make_sandbox: MakeSandbox, tool: Path) -> None:
    done = make_sandbox().run(tool / "cgroups-mount", "mount", "--", "sh", "-c", TABLE)
    assert (done.returncode, done.stderr) == (0, "")
    expected = {str(path): ("/", "cgroup") for path in hierarchies().values()}
    assert mounts(done.stdout) == {"/sys/fs/cgroup": ("/", "tmpfs")} | expected


def test_the_root_is_the_containers_own_group(make_sandbox: MakeSandbox, tool: Path) -> None:
    box = make_sandbox(memory=256 * MIB)
    make = "for d in /sys/fs/cgroup/*/; do mkdir $d/mine; done"
    script = f"cat /sys/fs/cgroup/memory/memory.limit_in_bytes; {make}; cat /proc/self/cgroup"
    done = box.run(tool / "cgroups-mount", "mount", "--", "sh", "-c", script)
    limit, *own = done.stdout.splitlines()
    assert limit == str(256 * MIB)
    assert all(line.endswith(":/") for line in own)
    # What was made inside is below the sandbox's groups on the machine.
    assert sorted(box.children()) == sorted(str(group / "mine") for group in box.groups.values())


def test_the_command_is_in_another_cgroup_namespace_but_the_same_mounts(make_sandbox: MakeSandbox, tool: Path) -> None:
    script = "readlink /proc/self/ns/cgroup; readlink /proc/self/ns/mnt"
    wrapper = f'{script}; exec "$0" mount -- sh -c "{script}"'
    cgroup, mnt, cgroup_inside, mnt_inside = (
        make_sandbox().run("sh", "-c", wrapper, tool / "cgroups-mount").stdout.split()
    )
    assert cgroup != cgroup_inside
    assert mnt == mnt_inside


def test_the_old_remedy_without_a_command(make_sandbox: MakeSandbox, tool: Path) -> None:
    """Unmount what is there, `cgroups-mount`: in whatever namespace the caller is."""
    script = f'umount -l /sys/fs/cgroup; "$0" mount && {TABLE}'
    done = make_sandbox().run("sh", "-c", script, tool / "cgroups-mount")
    assert done.stderr == ""
    assert set(mounts(done.stdout)) == {"/sys/fs/cgroup", *map(str, hierarchies().values())}


@pytest.mark.parametrize(
    "before",
    [
        "mount -t tmpfs tmpfs /sys/fs/cgroup; mount -o remount,ro /sys/fs/cgroup",
        "mount --bind /sys/fs/cgroup/memory /sys/fs/cgroup/memory; mount --bind /sys/fs/cgroup/pids /sys/fs/cgroup/pids",
        'mount -t tmpfs tmpfs /sys/fs/cgroup; mkdir "/sys/fs/cgroup/with space"; mount -t tmpfs t "/sys/fs/cgroup/with space"',
        "umount -l /sys/fs/cgroup",
    ],
    ids=["covered-read-only", "mounted-twice", "space-in-the-path", "nothing-there"],
)
def test_whatever_is_mounted_there_before(make_sandbox: MakeSandbox, tool: Path, before: str) -> None:
    done = make_sandbox(more=before).run(tool / "cgroups-mount", "mount", "--", "sh", "-c", TABLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(mounts(done.stdout)) == {"/sys/fs/cgroup", *map(str, hierarchies().values())}


def test_a_file_open_in_the_old_mount_does_not_stop_it(make_sandbox: MakeSandbox, tool: Path) -> None:
    script = f'cd /sys/fs/cgroup/memory; exec 9</sys/fs/cgroup/pids/cgroup.procs; "$0" mount && {TABLE}'
    done = make_sandbox().run("sh", "-c", script, tool / "cgroups-mount")
    assert "could not be unmounted" not in done.stderr
    assert set(mounts(done.stdout)) == {"/sys/fs/cgroup", *map(str, hierarchies().values())}


@pytest.mark.usefixtures("new_hierarchy")
def test_controllers_that_share_a_hierarchy_are_one_mount_with_links(make_sandbox: MakeSandbox, tool: Path) -> None:
    # Two that this machine's own hierarchies leave free.
    more = "mkdir /run/net; mount -t cgroup -o net_cls,net_prio none /run/net"
    script = f"{TABLE}; readlink /sys/fs/cgroup/net_cls; readlink /sys/fs/cgroup/net_prio; ls /sys/fs/cgroup/net_prio/"
    done = make_sandbox(more=more).run(tool / "cgroups-mount", "mount", "--", "sh", "-c", script)
    # The kernel takes the hierarchy away a moment after its last mount; until then every process shows it.
    deadline = time.monotonic() + 10
    while "net_cls" in Path("/proc/self/cgroup").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert mounts(done.stdout)["/sys/fs/cgroup/net_cls,net_prio"] == ("/", "cgroup")
    assert done.stdout.split().count("net_cls,net_prio") == 2
    assert "net_cls.classid" in done.stdout
    assert "net_prio.ifpriomap" in done.stdout


def test_the_commands_status_and_arguments_are_its_own(make_sandbox: MakeSandbox, tool: Path) -> None:
    done = make_sandbox().run(tool / "cgroups-mount", "mount", "--", "sh", "-c", 'echo "$1|$2"; exit 5', "x", "a b", "")
    assert (done.returncode, done.stdout) == (5, "a b|\n")


def test_the_marker_of_the_second_round_is_not_left_in_the_environment(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert "DIND_" not in make_sandbox().run(tool / "cgroups-mount", "mount", "--", "env").stdout


def test_without_privilege_it_says_what_is_refused_and_what_to_do(
    make_sandbox: MakeSandbox, tool: Path, tmp_path: Path
) -> None:
    mount = ["mount", "--", "true"]
    box = make_sandbox()
    assert box.run(tool / "cgroups-mount", *mount).returncode == 0
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", tool / "cgroups-mount", *mount]
    refused = box.run(*without)
    assert refused.returncode == 1
    assert "could not enter a cgroup namespace" in refused.stderr
    assert "operation not permitted" in refused.stderr
    assert "start it with --privileged" in refused.stderr
    # Where a kubelet reads the message there is a spec to look at.
    (message := tmp_path / "termination-log").touch()
    refused = box.run(*without, env={"DIND_TERMINATION_LOG": str(message)})
    assert "check security.mode, security.appArmorProfile" in refused.stderr


def test_wrong_usage(make_sandbox: MakeSandbox, tool: Path) -> None:
    box = make_sandbox()
    for arguments in (
        [],
        ["bogus"],
        ["mount", "sh"],
        ["preflight"],
        ["preflight", "--install"],
        ["preflight", "/dind"],
    ):
        done = box.run(tool / "cgroups-mount", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "usage: cgroups-mount" in done.stderr

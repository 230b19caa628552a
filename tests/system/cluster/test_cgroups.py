"""Only the cluster's own groups are made, emptied and removed, on either version."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import cgroups

MOUNTINFO = """\
30 20 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd
33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
34 20 0:27 / /elsewhere rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 20 0:27 /docker/1 /inside rw,relatime - cgroup cgroup rw,cpu,cpuacct
36 20 8:1 / / rw,relatime - ext4 /dev/sda1 rw
"""


def test_each_hierarchy_is_found_once_where_it_is_whole() -> None:
    assert cgroups.parse_hierarchies(MOUNTINFO) == [
        cgroups.Hierarchy(Path("/sys/fs/cgroup/cpu"), 1, ("cpu", "cpuacct")),
        cgroups.Hierarchy(Path("/sys/fs/cgroup/systemd"), 1, ("name=systemd",)),
        cgroups.Hierarchy(Path("/sys/fs/cgroup/unified"), 2, ()),
    ]


@pytest.fixture
def group() -> Iterator[str]:
    name = f"dindtest{os.getpid()}"
    yield name
    cgroups.empty(name)
    cgroups.remove(name)


def enter(group: Path) -> subprocess.Popen[bytes]:
    """A process that was born in the group."""
    process = subprocess.Popen(
        ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && echo in && exec sleep 60', str(group)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    return process


def test_members_die_and_neighbours_live(group: str) -> None:
    cgroups.create(group)
    top = cgroups.hierarchies()[0].mount / group
    neighbour_group = top.with_name(f"{group}x")  # its name begins alike
    neighbour_group.mkdir()
    deep = top / cgroups.SERVERS
    member, neighbour = enter(deep), enter(neighbour_group)
    try:
        assert cgroups.members(group) == {member.pid}
        assert cgroups.empty(group, 5)
        assert member.wait(5) == -9
        assert neighbour.poll() is None
    finally:
        neighbour.kill()
        neighbour.wait()
        neighbour_group.rmdir()


def test_a_group_with_children_is_removed_from_every_hierarchy(group: str) -> None:
    cgroups.create(group)
    tops = [hierarchy.mount / group for hierarchy in cgroups.hierarchies()]
    for top in tops:
        (top / "pods" / "one").mkdir(parents=True)
    assert all(top.exists() for top in tops)
    assert cgroups.remove(group) == []
    assert not any(top.exists() for top in tops)


def test_a_group_in_use_is_reported_not_lost(group: str) -> None:
    cgroups.create(group)
    top = cgroups.hierarchies()[0].mount / group
    member = enter(top / cgroups.SERVERS)
    assert top in cgroups.remove(group, seconds=0.1)
    member.kill()
    member.wait()
    assert cgroups.remove(group) == []


def test_removing_what_is_not_there_is_fine() -> None:
    assert cgroups.remove("dindtestabsent", seconds=0) == []
    assert cgroups.members("dindtestabsent") == set()

"""The cluster's own cgroups: one folder of one name in every hierarchy, made before and removed after it.

Works on version 1, version 2 and both at once. Never touches a group outside of that folder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.process import wait_until
from tests.cluster.progress import ClusterError

# Beside the pods' groups (the kubelet's `kubepods`): the servers of the cluster themselves.
SERVERS = "system"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup file system. `controllers` is empty for version 2."""

    mount: Path
    version: int
    controllers: tuple[str, ...] = ()


def parse_hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The hierarchies in /proc/PID/mountinfo, each file system once, in the order of their mounting."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        device, root, mount = before.split()[2:5]
        kind, _, options = after.split()[:3]
        if kind not in ("cgroup", "cgroup2") or root != "/":
            continue
        flags = {"rw", "ro", "xattr", "clone_children", "noprefix"}
        names = tuple(o for o in options.split(",") if o not in flags and not o.startswith("release_agent="))
        hierarchy = Hierarchy(Path(mount), 1 if kind == "cgroup" else 2, names if kind == "cgroup" else ())
        found.setdefault(device, hierarchy)
    return list(found.values())


def hierarchies() -> list[Hierarchy]:
    return parse_hierarchies(Path("/proc/self/mountinfo").read_text())


def version() -> int:
    """1 when any controller hierarchy of version 1 is mounted: then runc and the kubelet use that version."""
    found = hierarchies()
    if not found:
        raise ClusterError(
            "No cgroup hierarchy is mounted on this machine, and the kubelet needs one: "
            "mount them under /sys/fs/cgroup, or run on a machine that has them."
        )
    return 1 if any(h.version == 1 and not h.controllers[0].startswith("name=") for h in found) else 2


def create(name: str) -> None:
    """Makes the group `name` and its child for the servers in every hierarchy, ready to take processes."""
    for hierarchy in hierarchies():
        top = hierarchy.mount / name
        servers = top / SERVERS
        servers.mkdir(parents=True, exist_ok=True)
        if "cpuset" in hierarchy.controllers:
            # Version 1 starts a cpuset empty, and an empty one refuses every process.
            for group in (top, servers):
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (group / setting).write_text((group.parent / setting).read_text())
        if hierarchy.version == 2:
            for group in (hierarchy.mount, top):
                _enable_controllers(group)


def _enable_controllers(group: Path) -> None:
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            raise ClusterError(
                f"The cgroup controller {controller} cannot be enabled below {group} ({error.strerror}): "
                "move the processes of that group into a child of it, or run where systemd has done so."
            ) from error


def groups(name: str) -> Iterator[Path]:
    """Every group at or below `name`, in every hierarchy, children before their parents."""
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy.mount / name, topdown=False):
            yield Path(folder)


def members(name: str) -> set[int]:
    """The processes in the group `name` or below it."""
    found: set[int] = set()
    for group in groups(name):
        try:
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
        except OSError:  # the group went away while it was read
            continue
    return found - {0}


def empty(name: str, seconds: float = 20) -> bool:
    """Kills what is left in the group and waits for the end of it. True when nothing is left."""

    def none_left() -> bool:
        left = members(name)
        for pid in left:
            _kill_member(pid, name)
        return not left

    return wait_until(none_left, seconds)


def _kill_member(pid: int, name: str) -> None:
    """Kills a process if it is in the group `name` at that moment, and not one that has taken over its pid."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        if any(f"{line.split(':', 2)[2]}/".startswith(f"/{name}/") for line in lines):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(descriptor)


def remove(name: str, seconds: float = 10) -> list[Path]:
    """Removes the group everywhere. Returns what could not be removed, which is nothing once it is empty."""

    def all_gone() -> bool:
        for group in groups(name):
            try:
                group.rmdir()
            except OSError:  # the kernel frees a group a moment after its last process ended
                continue
        return not list(groups(name))

    wait_until(all_gone, seconds)
    return list(groups(name))

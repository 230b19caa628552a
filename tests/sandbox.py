"""Runs the program of node/ in a substitute for a privileged container, without a container runtime.

It has namespaces for mounts, processes and network, a volume at /var/lib/docker, an empty /run, and its own cgroup in every
hierarchy. The root file system is that of the machine. `close` removes everything: the namespaces end with their first process, and
the cgroups are deleted. Cgroups of others are not changed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import programs

from dind_operator.pod.node_config import CONFIG_VARIABLE

IMAGE = Path(__file__).parents[1] / "image"
CGROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20
# A daemon whose namespaces were ended takes seconds to go, with six others on two cores.
ENDING_SECONDS = 30

_numbers = itertools.count()

# $1 volume, $2 groups, $3 a script for more of the container, $4 the machine's network namespace; then the command, which
# becomes PID 1. A daemon in the machine's own network would leave bridges and firewall rules there.
_ENTER = r"""
volume=$1 groups=$2 more=$3 machine=$4; shift 4
[ "$(readlink /proc/self/ns/net)" != "$machine" ] || { echo "not in a network namespace of its own" >&2; exit 99; }
for group in $groups; do echo 0 >"$group/cgroup.procs"; done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/docker
mount --bind "$volume" /var/lib/docker
eval "$more"
exec "$@"
"""


def install_tool(folder: Path) -> Path:
    """The program of node/ with its other names, as in the node-tool image."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(programs.node(IMAGE.parent) / "dind-node", folder)
    for name in ("entrypoint", "cgroups-mount"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to("dind-node")
    return folder


def told(**members: Any) -> dict[str, str]:
    """The variable with the configuration of dind-node, by the names of its JSON."""
    return {CONFIG_VARIABLE: json.dumps(members)}


def applets(folder: Path, names: Sequence[str] | None = None, target: str = "/bin/busybox") -> Path:
    """A folder with links to busybox at `target`: all of it, or the named programs."""
    if names is None:
        names = subprocess.run(["busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    return folder


def hierarchies() -> dict[str, Path]:
    """Where each cgroup version 1 hierarchy of this machine is mounted, by its field in /proc/self/cgroup."""
    names = [line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    places = {name: CGROUPS / name.removeprefix("name=") for name in names if name}
    return {name: place for name, place in places.items() if place.is_mount()}


def remove_group(group: Path) -> None:
    """Removes a group with everything below it, the deepest first.

    Processes that are just ending are waited for, and what they still make below it is found: it is looked through anew each time.
    """
    end = time.monotonic() + ENDING_SECONDS
    while group.exists():
        try:
            below = [path for path in group.rglob("*") if path.is_dir()]
            for folder in [*sorted(below, key=lambda path: -len(path.parts)), group]:
                folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if time.monotonic() > end:
                raise OSError(f"{error}; processes in it: {_processes(group)}") from None
            time.sleep(0.1)


def _processes(group: Path) -> list[str]:
    """What keeps a group: the processes in it and below it, by pid and name."""
    found = []
    for file in group.rglob("cgroup.procs"):
        for pid in file.read_text().split():
            with contextlib.suppress(OSError):
                found.append(f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()} in {file.parent}")
    return found


@dataclass
class Sandbox:
    """`memory` is the limit of its memory group in bytes. `more` is shell that shapes the container further."""

    volume: Path
    memory: int | None = None
    more: str = ""
    # A process whose network namespace is used instead of a new one: a pod's network outlives its containers.
    network_of: int | None = None
    groups: dict[str, Path] = field(default_factory=dict)
    # In the version 2 tree of a hybrid machine.
    unified: Path | None = None

    def __post_init__(self) -> None:
        self.volume.mkdir(parents=True, exist_ok=True)
        name = f"dind-test-{os.getpid()}-{next(_numbers)}"
        for hierarchy, mounted in hierarchies().items():
            group = mounted / name
            group.mkdir()
            self.groups[hierarchy] = group
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (group / setting).exists():
                    (group / setting).write_text((mounted / setting).read_text())
        if (CGROUPS / "unified").is_mount():
            self.unified = CGROUPS / "unified" / name
            self.unified.mkdir()
        if self.memory:
            (self.groups["memory"] / "memory.limit_in_bytes").write_text(str(self.memory))

    def start(
        self, *command: str | Path, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """The command as PID 1 of the sandbox."""
        base = {"PATH": os.environ["PATH"]}
        groups = " ".join(map(str, self._all()))
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if self.network_of:
            unshare = ["nsenter", f"--net=/proc/{self.network_of}/ns/net", *unshare]
        else:
            unshare.append("--net")
        enter = ["/bin/bash", "-euc", _ENTER, "enter", str(self.volume), groups, self.more]
        enter.append(os.readlink("/proc/self/ns/net"))
        return subprocess.Popen(
            # Whoever runs the tests under nohup or in the background must not have what is ignored there ignored in here.
            ["env", "--default-signal=HUP,INT,QUIT", *unshare, *enter, *map(str, command)],
            env=base | dict(env or {}),
            stdin=subprocess.DEVNULL,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
        )

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command as PID 1 of the sandbox, to its end."""
        process = self.start(*command, env=env)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def children(self) -> list[str]:
        """The groups that were made inside and are still there."""
        return [str(path) for group in self._all() for path in group.rglob("*") if path.is_dir()]

    def close(self) -> None:
        for group in self._all():
            remove_group(group)

    def _all(self) -> list[Path]:
        return [*self.groups.values(), *([self.unified] if self.unified else [])]


@contextlib.contextmanager
def sandbox(volume: Path, **options: Any) -> Iterator[Sandbox]:
    """A sandbox that is closed at the end."""
    made = Sandbox(volume, **options)
    try:
        yield made
    finally:
        made.close()

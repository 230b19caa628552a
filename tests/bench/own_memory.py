"""How much memory dockerd and its kin use: the container's own cgroup without the nested one, looked at often.

Version 1 only, which is what the embedded cluster has: there a group's memory.stat counts the group itself and not its
children, so that the container's own is told apart from /docker exactly.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.progress import ClusterError

ROOT = Path("/sys/fs/cgroup/memory")
INTERVAL = 0.05
"""A 2 GB pull takes tens of seconds; a peak that is shorter than this is not one that reclaim could not serve."""
MIB = 1 << 20


@dataclass
class Sample:
    """MiB. `needed` cannot be taken back by the kernel, `cache` can."""

    needed: float = 0.0
    cache: float = 0.0
    kernel: float = 0.0
    programs: dict[str, float] = field(default_factory=dict)

    def peak(self, other: Sample) -> None:
        """Take the greater of each."""
        self.needed = max(self.needed, other.needed)
        self.cache = max(self.cache, other.cache)
        self.kernel = max(self.kernel, other.kernel)
        for name, value in other.programs.items():
            self.programs[name] = max(self.programs.get(name, 0.0), value)


def container_group(container_id: str) -> Path:
    """The memory group of a container, by the id in its pod's status."""
    name = container_id.rpartition("/")[2]
    found = next((path for path in ROOT.rglob(name) if path.is_dir()), None)
    if found is None:
        raise ClusterError(
            f"{ROOT} contains no cgroup of the container {name[:12]}. The reserve can be measured only on the embedded cluster, on "
            "a machine with cgroup v1."
        )
    return found


def read(group: Path, programs: bool = True) -> Sample:
    """One look. `needed` is anonymous memory and what the kernel holds for the group's own processes and files."""
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    kernel = _kernel(group) - _kernel(group / "docker")
    return Sample(
        needed=int(stat["rss"]) / MIB,
        cache=int(stat["cache"]) / MIB,
        kernel=kernel / MIB,
        programs=_programs(group) if programs else {},
    )


def _kernel(group: Path) -> int:
    file = group / "memory.kmem.usage_in_bytes"
    return int(file.read_text()) if file.exists() else 0


def _programs(group: Path) -> dict[str, float]:
    """Anonymous MiB of the group's own processes, by program."""
    found: Counter[str] = Counter()
    for pid in (group / "cgroup.procs").read_text().split():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        found[fields["Name"].strip()] += int(fields.get("RssAnon", "0 kB").split()[0]) / 1024
    return dict(found)


def oom_kills(group: Path) -> int:
    """Processes that the kernel ended for want of memory, in the group itself."""
    lines = dict(line.split() for line in (group / "memory.oom_control").read_text().splitlines())
    return int(lines.get("oom_kill", 0))


@contextmanager
def watched(group: Path) -> Iterator[Sample]:
    """The peaks of everything while the block runs."""
    peaks, done = Sample(), threading.Event()

    def look() -> None:
        rounds = 0
        while not done.is_set():
            try:
                # Programs are dearer to read, and each of them lives for long.
                peaks.peak(read(group, programs=rounds % 5 == 0))
            except FileNotFoundError:
                return  # the container is gone
            rounds += 1
            time.sleep(INTERVAL)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()

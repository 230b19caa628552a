"""Processes we started, remembered well enough to end them later and nobody else's.

A pid alone is not an identity: it is reused. A record therefore carries the process's start time and the
machine's boot, and every signal is sent only while both still match.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessRecord:
    """A process: `started` is in clock ticks since boot, as field 22 of /proc/PID/stat gives it."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        started = start_time(pid)
        if started is None:
            raise ProcessLookupError(f"process {pid} is gone")
        return cls(pid, started, boot_id())

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ProcessRecord:
        return cls(int(value["pid"]), int(value["started"]), str(value["boot"]))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def alive(self) -> bool:
        """Whether this very process runs: not another one with its pid, not a zombie."""
        return self.boot == boot_id() and start_time(self.pid) == self.started

    def send(self, number: int) -> bool:
        """Signals the process if it is still the one recorded. False when it is gone."""
        try:
            # A pidfd names the process it was opened for: after the check nobody can take its place.
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)

    def stop(self, grace: float) -> None:
        """Asks the process to end, then ends it. `grace` is in seconds."""
        if self.send(signal.SIGTERM):
            wait_until(lambda: not self.alive(), grace)
        if self.send(signal.SIGKILL):
            wait_until(lambda: not self.alive(), 10)


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def parse_start_time(stat: str) -> int | None:
    """The start time in a line of /proc/PID/stat, or None for a zombie or a dead process.

    The command's name, field 2, may hold blanks and brackets: fields are counted from its last bracket.
    """
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def start_time(pid: int) -> int | None:
    try:
        return parse_start_time(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until(condition: Any, seconds: float, interval: float = 0.05) -> bool:
    """Waits for a condition, looking at least twice. True when it came to hold."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return bool(condition())
        time.sleep(interval)
    return True

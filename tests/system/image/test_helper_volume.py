"""When the helper calls a volume full, seen on real file systems in memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

Watch = Callable[..., "Watched"]
MIB = 2**20
# With a minute of a second the helper checks twelve times a second; the rest is for a busy machine.
MINUTE = {"DIND_MINUTE_SECONDS": "1"}
TOLD_SECONDS = 30
QUIET_SECONDS = 1


class Watched:
    """A tmpfs in a mount namespace of its own, with the helper watching it."""

    def __init__(self, helper: Path, folder: Path, options: str) -> None:
        self._output = folder.parent / "output"
        script = f'mount -t tmpfs -o {options} t "$1"; exec "$0" volume "$1"'
        with self._output.open("w") as output:
            command = ["unshare", "--mount", "sh", "-ec", script, helper, folder]
            self.process = subprocess.Popen(command, env=os.environ | MINUTE, stdout=output)
        self.inside = Path(f"/proc/{self.process.pid}/root{folder}")
        deadline = time.monotonic() + TOLD_SECONDS
        while "volume" not in Path(f"/proc/{self.process.pid}/cmdline").read_text().split("\0")[1:2]:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line.removeprefix("dind-volume ")) for line in self._output.read_text().splitlines()]

    def told(self, count: int) -> dict[str, Any]:
        deadline = time.monotonic() + TOLD_SECONDS
        while len(self.lines()) < count:
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.1)
        assert len(self.lines()) == count
        return self.lines()[-1]

    def fill(self, name: str, mebibytes: int) -> None:
        (self.inside / name).write_bytes(b"x" * mebibytes * MIB)


@pytest.fixture
def watch(helper: Path, tmp_path: Path) -> Iterator[Watch]:
    with ExitStack() as stack:

        def start(options: str) -> Watched:
            (tmp_path / "volume").mkdir()
            watched = Watched(helper, tmp_path / "volume", options)
            stack.callback(watched.process.wait)
            stack.callback(watched.process.kill)
            return watched

        yield start


def test_a_volume_that_fills_up_and_is_emptied_is_told_twice_and_an_ample_one_never(watch: Watch) -> None:
    volume = watch("size=100m")
    volume.fill("most", 94)
    time.sleep(QUIET_SECONDS)
    assert volume.lines() == []
    volume.fill("more", 2)
    full = volume.told(1)
    assert (full["version"], full["full"]) == (1, True)
    assert (full["usedBytes"], full["limitBytes"]) == (96 * MIB, 100 * MIB)
    # A little room is not enough: it would be told of again with the next layer.
    (volume.inside / "more").unlink()
    time.sleep(QUIET_SECONDS)
    assert len(volume.lines()) == 1
    (volume.inside / "most").unlink()
    room = volume.told(2)
    assert (room["full"], room["usedBytes"]) == (False, 0)


def test_files_may_run_out_before_bytes_do(watch: Watch) -> None:
    volume = watch("size=100m,nr_inodes=200")
    for number in range(197):
        (volume.inside / str(number)).touch()
    full = volume.told(1)
    assert full["full"] is True
    assert (full["usedInodes"], full["limitInodes"]) == (198, 200)
    assert full["usedBytes"] < MIB

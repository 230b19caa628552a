"""The lock on a directory of the node. What the check says of one is asked in node/internal/storage."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def test_the_helper_locks_for_as_long_as_its_child_lives_and_no_longer(helper: Path, tmp_path: Path) -> None:
    def free() -> int:
        return subprocess.run([helper, "lock", tmp_path], check=False, capture_output=True).returncode

    assert free() == 0
    child = [shutil.which("sh") or "sh", "-c", "sleep 60 & echo up; exec sleep 60"]
    with subprocess.Popen([helper, "init", "--lock", tmp_path, "--", *child], stdout=subprocess.PIPE) as init:
        assert init.stdout
        assert init.stdout.readline() == b"up\n"
        assert free() == 1
        second = subprocess.run([helper, "init", "--lock", tmp_path, "--", "true"], check=False, capture_output=True)
        assert second.returncode == 125
        assert b"cannot lock" in second.stderr
        # Killed, with children that live on: theirs is not the lock.
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
        init.kill()
        init.wait()
        assert free() == 0
        for pid in children:
            subprocess.run(["pkill", "-KILL", "-P", pid], check=False)
            subprocess.run(["kill", "-KILL", pid], check=False)


def test_what_cannot_be_locked_is_told_apart_from_what_is_locked(helper: Path, tmp_path: Path) -> None:
    done = subprocess.run([helper, "lock", tmp_path / "none"], check=False, capture_output=True, text=True)
    assert (done.returncode, "no such file" in done.stderr) == (125, True)

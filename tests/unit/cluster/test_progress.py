"""What is printed while something long goes on."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster import progress
from tests.cluster.locks import exclusive
from tests.cluster.progress import heartbeat_line, step
from tests.cluster.record import checkout


def test_how_far_a_step_is_when_its_usual_time_is_known() -> None:
    assert heartbeat_line("Building", 60, 240) == "    … Building: 60 s of about 240 s (25 %)"
    assert "(99 %)" in heartbeat_line("Building", 500, 240)
    assert heartbeat_line("Building", 60, None) == "    … Building: 60 s so far"


def test_a_step_shows_life_and_its_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.05)
    beat = r"… Working: \d+ s of about 10 s"
    out = err = ""
    with step("Working", usual=10):
        deadline = time.monotonic() + 30
        while len(re.findall(beat, err)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
            more = capsys.readouterr()
            out, err = out + more.out, err + more.err
    more = capsys.readouterr()
    out, err = out + more.out, err + more.err
    assert out == ""
    assert err.startswith("==> Working\n")
    assert len(re.findall(beat, err)) >= 2
    assert re.search(r"^    done in \d+\.\d s$", err, re.MULTILINE)


def test_a_failed_step_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), step("Working"):
        raise RuntimeError
    assert "failed after" in capsys.readouterr().err


def test_a_second_holder_waits_and_says_for_whom(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "x.lock"
    program = (
        "import sys; from pathlib import Path; from tests.cluster.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'the tools'): print('entered')"
    )
    with exclusive(lock, "the tools"):
        second = subprocess.Popen(
            [sys.executable, "-c", program, str(lock)],
            cwd=checkout(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        assert second.stderr.readline().endswith("which uses the tools\n")
        assert second.poll() is None
    out, _ = second.communicate(timeout=10)
    assert out == "entered\n"

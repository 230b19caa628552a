"""A recorded process is signalled only while it is the very one that was recorded."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.cluster.process import ProcessRecord, parse_start_time, start_time, wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_the_recorded_process_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    record = ProcessRecord.of(sleeper.pid)
    assert record.alive()
    assert record.send(signal.SIGKILL)
    assert sleeper.wait(5) == -signal.SIGKILL
    assert not record.alive()
    assert not record.send(signal.SIGKILL)


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}])
def test_another_process_with_the_same_pid_is_left_alone(
    sleeper: subprocess.Popen[bytes], change: dict[str, int | str]
) -> None:
    truth = ProcessRecord.of(sleeper.pid)
    stale = dataclasses.replace(truth, **change)  # type: ignore[arg-type]
    assert not stale.alive()
    assert not stale.send(signal.SIGKILL)
    stale.stop(grace=0)
    assert sleeper.poll() is None
    # The same act with the true record ends it: it was the guard that held it back.
    truth.stop(grace=5)
    assert sleeper.wait(5) == -signal.SIGTERM


def test_a_process_that_ignores_the_request_is_ended_after_the_grace() -> None:
    with subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; wait"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ProcessRecord.of(process.pid).stop(grace=0.2)
        assert process.wait(5) == -signal.SIGKILL


def test_a_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    record = ProcessRecord.of(sleeper.pid)
    sleeper.send_signal(signal.SIGKILL)
    assert wait_until(lambda: start_time(sleeper.pid) is None, 5)  # not waited for, so it is a zombie now
    assert not record.alive()


def test_a_name_with_blanks_and_brackets_does_not_shift_the_fields() -> None:
    rest = "S 1 2 3 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
    assert parse_start_time(f"99 (sleep) {rest}") == 4711
    assert parse_start_time(f"99 (a ) b (c) {rest}") == 4711
    assert parse_start_time(f"99 (gone) {rest.replace('S', 'Z', 1)}") is None


def test_recording_a_process_that_is_gone_says_so() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        pid = process.pid
    with pytest.raises(ProcessLookupError, match=str(pid)):
        ProcessRecord.of(pid)


def test_waiting_ends_when_time_is_up() -> None:
    start = time.monotonic()
    assert not wait_until(lambda: False, 0.1)
    assert time.monotonic() - start < 5

"""PID 1 of the daemon's container, really as PID 1: orphans, signals, statuses, last words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox

PIDNS = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "termination-log"
    path.write_text('{"version":1,"docker":"26.1.5"}\n')
    return path


@pytest.fixture
def init(helper: Path, message: Path) -> Callable[..., subprocess.Popen[bytes]]:
    def start(*command: str) -> subprocess.Popen[bytes]:
        options = ["--message", str(message), "--docker", "26.1.5"]
        return subprocess.Popen(
            [*PIDNS, helper, "init", *options, "--", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


Init = Callable[..., subprocess.Popen[bytes]]


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def read(message: Path) -> dict[str, Any]:
    text = message.read_bytes()
    assert len(text) <= 4096
    loaded: dict[str, Any] = json.loads(text.decode("utf-8"))
    return loaded


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("status", [0, 1, 42])
def test_the_childs_status_is_its_own(init: Init, status: int) -> None:
    assert finish(init("sh", "-c", f"exit {status}"))[0] == status


def test_a_good_end_leaves_the_start_message(init: Init, message: Path) -> None:
    before = message.read_bytes()
    assert finish(init("sh", "-c", "echo bye >&2"))[0] == 0
    assert message.read_bytes() == before


def test_a_failure_leaves_status_and_last_words(init: Init, message: Path) -> None:
    status, out, err = finish(init("sh", "-c", 'echo out; echo "failed to start daemon: \\"x\\"" >&2; exit 3'))
    assert (status, out, err) == (3, b"out\n", b'failed to start daemon: "x"\n')
    expected = {"version": 1, "docker": "26.1.5", "exitCode": 3, "signal": 0, "tail": 'failed to start daemon: "x"\n'}
    assert read(message) == expected


LCHOWN = (
    'level=error msg="Not continuing with pull after error: failed to register layer: failed to Lchown /x for UID 718322462, GID 0 '
    '(try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid): lchown /x: invalid argument"'
)


@pytest.mark.parametrize("inside", [True, False], ids=["in a user namespace", "outside of any"])
def test_what_dockerd_says_of_subordinate_ids_is_explained(helper: Path, inside: bool) -> None:
    """In a pod's user namespace /etc/subuid says nothing; outside of any the sentence is somebody else's."""
    enter = ["unshare", "--user", "--map-root-user"] if inside else []
    command = [*enter, *PIDNS, helper, "init", "--", "sh", "-c", 'echo before >&2; echo "$0" >&2', LCHOWN]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    said = done.stderr.splitlines()
    assert said[:2] == ["before", LCHOWN]
    assert len(said) == (3 if inside else 2)
    if inside:
        assert said[2].startswith("dind: a file belongs to a user or group ID that this pod does not have")
        assert "has the IDs 0 to 0, and /etc/subuid has no effect" in said[2]
        assert "security.mode" in said[2]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_is_killed(init: Init, message: Path, number: signal.Signals) -> None:
    assert finish(init("sh", "-c", f"echo last >&2; kill -{number.value} $$"))[0] == 128 + number
    assert (read(message)["exitCode"], read(message)["signal"]) == (128 + number, number)
    assert read(message)["tail"] == "last\n"


def test_a_program_that_is_not_there(init: Init, message: Path) -> None:
    assert finish(init("/no/dockerd"))[0] == 127
    assert read(message)["tail"] == "dind-node: cannot run /no/dockerd: no such file or directory\n"


def test_a_long_log_is_passed_on_whole_and_its_last_lines_are_kept(init: Init, message: Path) -> None:
    script = 'i=0; while [ $i -lt 20000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 1'
    _, _, err = finish(init("sh", "-c", script))
    assert err.decode().splitlines() == [f"line {number}" for number in range(20000)]
    tail = read(message)["tail"]
    assert len(tail) <= 2000
    assert tail.splitlines() == [f"line {number}" for number in range(20000)][-len(tail.splitlines()) :]
    assert len(tail.splitlines()) > 100


WEIRD = {
    "not-utf8": b"\xff\xfe\x1b\x01",
    "half-a-character": b"\xc3",
    "four-bytes": "😀".encode(),
    "backslash": b"\\",
    "quote": b'"',
    "newline": b"\n",
    "one-line": b"x",
}


@pytest.mark.parametrize("printed", WEIRD.values(), ids=WEIRD)
def test_weird_bytes_give_a_valid_message_of_bounded_length(init: Init, message: Path, printed: bytes) -> None:
    _, _, err = finish(init(sys.executable, "-c", f"import sys; sys.stderr.buffer.write({printed!r} * 3000); exit(1)"))
    assert err == printed * 3000
    assert 0 < len(read(message)["tail"]) <= 2000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_signals_reach_the_child_and_its_own_end_decides(helper: Path, number: signal.Signals, tmp_path: Path) -> None:
    ready, got = tmp_path / "ready", tmp_path / "got"
    script = (
        f"trap 'echo {number.name} >{got}; exit 9' {number.name.removeprefix('SIG')}; : >{ready}; "
        "while :; do sleep 0.05; done"
    )
    # Without a pid namespace, so that the test can send the signal itself; and under nohup a hangup would be ignored.
    command = ["env", f"--default-signal={number.name.removeprefix('SIG')}", helper, "init", "--", "dash", "-c", script]
    with subprocess.Popen(command) as process:
        wait_for(ready.exists)
        process.send_signal(number)
        assert process.wait(10) == 9
    assert got.read_text() == f"{number.name}\n"


def test_it_waits_for_a_child_that_takes_its_time(helper: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'sleep 0.7; exit 0' TERM; : >{ready}; while :; do sleep 0.05; done"
    with subprocess.Popen([helper, "init", "--", "dash", "-c", script]) as process:
        wait_for(ready.exists)
        start = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
    assert time.monotonic() - start >= 0.6


def test_a_signal_sent_at_once_is_not_lost(helper: Path) -> None:
    for _ in range(20):
        with subprocess.Popen([helper, "init", "--", "sleep", "30"]) as process:
            time.sleep(0.01)
            process.terminate()
            assert process.wait(5) in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_orphans_are_reaped(init: Init) -> None:
    # Thirty grandchildren lose their parent; as long as one were a zombie it would be in /proc with state Z.
    script = (
        "for i in $(seq 30); do sh -c 'sleep 0.05 & exit 0'; done; sleep 0.6; "
        "cat /proc/[0-9]*/stat | awk '{print $3, $2}' | sort | uniq -c"
    )
    status, out, _ = finish(init("sh", "-c", script))
    assert status == 0
    assert b"dind-node" in out
    assert b" Z " not in out


def test_what_the_child_leaves_running_does_not_hold_up_the_end(init: Init, message: Path) -> None:
    # A shim keeps the daemon's stderr open after the daemon has died.
    start = time.monotonic()
    status, _, err = finish(init("sh", "-c", "sleep 30 & echo died >&2; exit 1"))
    assert status == 1
    assert time.monotonic() - start < 3
    assert err == b"died\n"
    assert read(message)["tail"] == "died\n"


def test_without_a_message_file_it_makes_none(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    done = subprocess.run([helper, "init", "--message", path, "--", "false"], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"termination message was not written" in done.stderr
    assert not path.exists()


def test_the_child_inherits_no_file_of_its_parent(helper: Path) -> None:
    done = subprocess.run([helper, "init", "--", "ls", "/proc/self/fd"], capture_output=True, text=True, check=True)
    # The fourth is the folder that ls reads.
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_it_sees_its_child_end_even_where_whoever_started_it_ignored_children(helper: Path) -> None:
    script = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    ignore = [sys.executable, "-c", script]
    assert (
        subprocess.run([*ignore, helper, "init", "--", "sh", "-c", "exit 7"], timeout=10, check=False).returncode == 7
    )


def test_a_log_that_is_read_slowly_and_may_not_block_loses_nothing(helper: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    print_much = f"import sys; sys.stderr.write('x' * {1 << 20})"
    with subprocess.Popen([helper, "init", "--", sys.executable, "-c", print_much], stderr=writer):
        os.close(writer)
        time.sleep(0.3)
        with open(reader, "rb") as log:
            assert len(log.read()) == 1 << 20


def test_where_no_thread_can_be_made_at_its_start_it_ends(make_sandbox: Callable[..., Sandbox], helper: Path) -> None:
    """Without one nobody would read the daemon's log, and a full pipe would stop the daemon."""
    box = make_sandbox()
    (box.groups["pids"] / "pids.max").write_text("2")
    done = box.run(helper, "init", "--", "sleep", "5")
    assert done.returncode == 2
    assert "failed to create new OS thread" in done.stderr


def test_processes_that_use_up_all_that_the_pod_may_have_do_not_end_it(
    make_sandbox: Callable[..., Sandbox], helper: Path
) -> None:
    """It has the threads that it may want before anything can take them."""
    box = make_sandbox()
    script = """
        echo 40 >"$0/pids.max"
        (while sleep 30 & do :; done) 2>/dev/null
        [ "$(cat "$0/pids.current")" -ge 39 ] && echo full
        for time in 1 2 3 4 5 6 7 8; do echo "line $time" >&2; kill -USR1 "$PPID"; done
        exit 9
    """
    done = box.run(
        helper, "init", "--report", "/no/socket", "--", "sh", "-c", "trap : USR1;" + script, box.groups["pids"]
    )
    assert (done.returncode, done.stdout) == (9, "full\n")
    assert "OS thread" not in done.stderr


def test_wrong_usage(helper: Path) -> None:
    for arguments in ([], ["--"], ["true"], ["--message"], ["--bogus", "x", "--", "true"]):
        assert subprocess.run([helper, "init", *arguments], capture_output=True, check=False).returncode == 2


# In a network of its own, so that a resolver finds its port free: prints who runs beside the shell, its parent's other child.
BESIDE = """
beside() {
    for process in /proc/[0-9]*; do
        read -r pid name _ parent _ <$process/stat || continue
        [ "$name" != "(dind-node)" ] || [ "$parent" != 1 ] || echo $pid
    done
} 2>/dev/null
someone() { until who=$(beside) && [ -n "$who" ]; do sleep 0.05; done; echo $who; }
"""


def with_resolver(helper: Path, address: str, script: str) -> subprocess.CompletedProcess[str]:
    command = [*PIDNS, "--net", helper, "init", "--dns", address, "--", "sh", "-c", BESIDE + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_what_is_killed_beside_the_child_is_started_again_each_time(helper: Path) -> None:
    script = """
        for time in 1 2; do
            seen=$(someone)
            kill -KILL $seen
            while [ "$(beside)" = "$seen" ]; do sleep 0.05; done
            [ "$(someone)" != "$seen" ] && echo again
        done
        exit 9
    """
    done = with_resolver(helper, "127.0.0.9", script)
    assert (done.returncode, done.stdout) == (9, "again\nagain\n")
    told = "dind: the process that looks after the daemon was ended by signal 9, and is started again"
    assert done.stderr.splitlines() == [told, told]


def test_what_ends_by_itself_beside_the_child_is_not_started_again(helper: Path) -> None:
    done = with_resolver(helper, "nowhere", "sleep 2.5; beside")
    assert done.stdout == ""
    assert done.stderr.count("no resolver for nested containers at nowhere") == 1


def test_what_is_killed_again_and_again_is_waited_for_longer_each_time(helper: Path) -> None:
    script = """
        for time in 1 2; do
            seen=$(someone) begin=$(date +%s%3N)
            kill -KILL $seen
            while [ "$(beside)" = "$seen" ]; do sleep 0.05; done
            someone >/dev/null
            echo $(($(date +%s%3N) - begin))
        done
    """
    first, second = (int(line) for line in with_resolver(helper, "127.0.0.9", script).stdout.split())
    # Milliseconds: a second, then two.
    assert first >= 1000
    assert second >= 2000

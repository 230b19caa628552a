"""When the helper calls a daemon used: real connections, real groups, in a sandbox; dockerd is played by a socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox, sandbox

# The daemon's socket, and its endpoint on 2376. Whoever asks is answered, and whoever says HOLD is kept until he hangs up.
_DOCKERD = r"""
import os, socket, subprocess, sys, threading, time
helper = sys.argv[1]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
unix = socket.socket(socket.AF_UNIX); unix.bind("/run/docker.sock"); unix.listen()
tls = socket.create_server(("127.0.0.1", 2376))
subprocess.Popen([helper, "activity", "/run/docker.sock", "/docker"])
def answer(connection):
    with connection:
        while data := connection.recv(4096):
            if not data.startswith(b"HOLD"):
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")
                return
def serve(listener):
    while True:
        threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()
threading.Thread(target=serve, args=[tls], daemon=True).start()
serve(unix)
"""
# With a minute of three seconds the helper reports it as idle after this, and again each three seconds. It checks four times in one.
MINUTE = {"DIND_MINUTE_SECONDS": "3"}
AFTER = 3.0
# What is reported comes within a second or two. Waiting for it ends early; only a hung helper, or a very busy machine,
# needs all of it.
SECONDS = 30.0
# Many checks: what has not been reported by then is not reported.
QUIET = 3.0


class Daemon:
    """A daemon that is watched. `pid` is its process as this machine numbers it."""

    def __init__(self, box: Sandbox, tool: Path, folder: Path) -> None:
        self.box = box
        self.helper = tool / "dind-node"
        self._log = folder / "log"
        (script := folder / "dockerd.py").write_text(_DOCKERD)
        command = [tool / "cgroups-mount", "mount", "--", sys.executable, script, self.helper]
        with self._log.open("w") as log:
            self.process = box.start(*command, env=MINUTE, stdout=log, stderr=subprocess.STDOUT)
        self.first = self.told(lambda lines: lines != [])[0]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = int(children.read_text().split()[0])
        self.socket = Path(f"/proc/{self.pid}/root/run/docker.sock")

    def lines(self) -> list[dict[str, Any]]:
        text = self._log.read_text()
        assert all(line.startswith("dind-activity ") for line in text.splitlines()), text
        return [json.loads(line.removeprefix("dind-activity ")) for line in text.splitlines()]

    def told(self, what: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + SECONDS
        while not what(self.lines()):
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.05)
        return self.lines()

    def wait_idle(self) -> int:
        """Wait until it is told idle; the count of the lines then."""
        return len(self.told(lambda lines: bool(lines[-1]["idle"])))

    def wait_used(self, count: int) -> None:
        """Wait until it is reported as used, after so many lines."""
        self.told(lambda lines: any(not line["idle"] for line in lines[count:]))

    def stays_idle(self, count: int) -> bool:
        """Whether it is not reported as used after so many lines, for some looks."""
        time.sleep(QUIET)
        return all(line["idle"] for line in self.lines()[count:])

    def call(self) -> None:
        """As any client: connect, ask, hang up."""
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(self.socket))
            client.sendall(b"GET /containers/json HTTP/1.0\r\n\r\n")
            assert client.recv(100)

    def probe(self) -> None:
        """As the kubelet's, from within the pod's network."""
        enter = ["nsenter", f"--net=/proc/{self.pid}/ns/net"]
        subprocess.run([*enter, self.helper, "ping", self.socket], check=True)

    def hold(self, address: str) -> subprocess.Popen[str]:
        """A client in the pod's network that stays connected until it is killed. `address` is Python for what it makes."""
        script = f"import socket, sys; c = {address}; c.sendall(b'HOLD'); print('held', flush=True); sys.stdin.read()"
        client = subprocess.Popen(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "held\n"
        return client

    @contextmanager
    def process_in(self, group: str) -> Iterator[None]:
        """A process of the pod in a group of its own, as a container's is."""
        folder = self.box.groups["pids"] / group
        folder.mkdir(parents=True)
        enter = ["nsenter", f"--target={self.pid}", "--pid", "sh", "-c", 'echo 0 >"$0"; exec sleep 60']
        process = subprocess.Popen([*enter, folder / "cgroup.procs"])
        try:
            yield
        finally:
            for pid in (folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            process.wait()

    def unix(self) -> str:
        return f"[c := socket.socket(socket.AF_UNIX), c.connect({str(self.socket)!r})][0]"


@pytest.fixture
def watch(tool: Path, tmp_path: Path, hierarchies_stay: None) -> Iterator[Callable[..., Daemon]]:
    with ExitStack() as stack:

        def start(more: str = "") -> Daemon:
            box = stack.enter_context(sandbox(tmp_path / "volume", more=more))
            daemon = Daemon(box, tool, tmp_path)
            stack.callback(daemon.process.wait)
            stack.callback(daemon.process.kill)
            return daemon

        yield start


Watch = Callable[..., Daemon]


def test_unused_is_told_and_told_again_with_the_time_that_has_passed(watch: Watch) -> None:
    daemon = watch()
    assert daemon.first == {"version": 1, "idle": False, "idleSeconds": 0, "seen": True}
    lines = daemon.told(lambda lines: len(lines) >= 4)
    assert all(line["idle"] for line in lines[1:])
    assert [line["idleSeconds"] for line in lines[1:4]] == sorted({line["idleSeconds"] for line in lines[1:4]})
    assert lines[1]["idleSeconds"] >= AFTER


def test_a_call_however_short_is_use_and_the_time_begins_anew(watch: Watch) -> None:
    daemon = watch()
    for _ in range(3):
        count = daemon.wait_idle()
        daemon.call()
        daemon.wait_used(count)
        daemon.wait_idle()
        lines = daemon.lines()[count:]
        used = next(number for number, line in enumerate(lines) if not line["idle"])
        # The first line, not the last: on a busy machine there may be another by now.
        assert next(line for line in lines[used:] if line["idle"])["idleSeconds"] <= AFTER + 1


def test_probes_are_no_use_and_do_not_hide_it(watch: Watch) -> None:
    daemon = watch()
    count = daemon.wait_idle()
    # Far apart: a check that comes late on a busy machine must not meet the next one. What two checks see of one or two is in the
    # program's own tests.
    for _ in range(6):
        daemon.probe()
        time.sleep(1)
    assert daemon.stays_idle(count)
    # A call between two probes, within one look.
    count = daemon.wait_idle()
    daemon.call()
    daemon.probe()
    daemon.wait_used(count)


@pytest.mark.parametrize("way", ["socket", "endpoint"])
def test_a_call_that_lasts_is_use_until_it_ends(watch: Watch, way: str) -> None:
    daemon = watch()
    count = daemon.wait_idle()
    client = daemon.hold(daemon.unix() if way == "socket" else "socket.create_connection(('127.0.0.1', 2376))")
    try:
        daemon.wait_used(count)
        count = len(daemon.lines())
        time.sleep(QUIET)
        assert daemon.lines()[count:] == []
    finally:
        client.communicate()
    daemon.wait_idle()


def test_a_connection_to_the_endpoint_is_use_however_short(watch: Watch) -> None:
    daemon = watch()
    count = daemon.wait_idle()
    daemon.hold("socket.create_connection(('127.0.0.1', 2376))").communicate()
    daemon.wait_used(count)


@pytest.mark.parametrize("place", ["x", "x/y/z"])
def test_a_nested_container_is_use_as_long_as_it_runs(watch: Watch, place: str) -> None:
    daemon = watch()
    count = daemon.wait_idle()
    with daemon.process_in(f"docker/{place}"):
        daemon.wait_used(count)
        count = len(daemon.lines())
        time.sleep(QUIET)
        assert daemon.lines()[count:] == []
    daemon.wait_idle()


def test_a_process_in_another_group_is_no_use(watch: Watch) -> None:
    daemon = watch()
    count = daemon.wait_idle()
    with daemon.process_in("init"):
        assert daemon.stays_idle(count)


def test_version_2_is_asked_for_what_is_populated(watch: Watch) -> None:
    """The hierarchies of this machine are hidden behind a file as version 2 has it."""
    fake = "mkdir -p /run/v2/docker && printf 'populated 0\\nfrozen 0\\n' >/run/v2/docker/cgroup.events"
    daemon = watch(fake)
    subprocess.run(
        ["nsenter", f"--mount=/proc/{daemon.pid}/ns/mnt", "mount", "--bind", "/run/v2", "/sys/fs/cgroup"], check=True
    )
    count = daemon.wait_idle()
    events = Path(f"/proc/{daemon.pid}/root/run/v2/docker/cgroup.events")
    assert daemon.stays_idle(count)
    events.write_text("populated 1\nfrozen 0\n")
    daemon.wait_used(count)
    events.write_text("populated 0\nfrozen 0\n")
    daemon.wait_idle()


def test_where_connections_leave_no_trace_it_is_told_and_nothing_is_called_idle(watch: Watch) -> None:
    daemon = watch("mount -o remount,noatime /run")
    assert daemon.first == {"version": 1, "idle": False, "idleSeconds": 0, "seen": False}
    time.sleep(QUIET)
    assert daemon.lines() == [daemon.first]


def test_a_daemon_that_is_not_there_yet_is_waited_for(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    process = subprocess.Popen([helper, "activity", path, "/none"], env=MINUTE, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1.2)
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(path))
            listener.listen()
            assert process.stdout is not None
            assert process.stdout.readline().startswith("dind-activity ")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

"""The one line about the daemon in the container's log."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INFO: dict[str, Any] = {
    "ID": "x",
    "Containers": 3,
    "Driver": "overlay2",
    "DriverStatus": [["Driver", "not this"], ["Backing Filesystem", 'ext"fs']],
    "Plugins": {"ServerVersion": "nor this", "Driver": "nor that"},
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "ServerVersion": "26.1.5+dfsg1",
    "Labels": ['a\\"', "{"],
}


class Daemon:
    """Answers /_ping and /info on a unix socket, after refusing `failures` times with 503."""

    def __init__(self, path: Path, info: bytes, failures: int) -> None:
        self.path, self.info, self.failures = path, info, failures
        self.asked: list[str] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                path = connection.recv(4096).split()[1].decode()
                self.asked.append(path)
                if self.failures:
                    self.failures -= 1
                    connection.sendall(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
                else:
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + (b"OK" if path == "/_ping" else self.info))


@pytest.fixture
def report(helper: Path, tmp_path: Path) -> Callable[..., tuple[str, Daemon]]:
    def run(info: bytes, failures: int = 0, *, before: float = 0) -> tuple[str, Daemon]:
        path = tmp_path / "docker.sock"
        command: list[str | Path] = [helper, "init", "--report", path, "--", "sleep", "20"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(before)
            daemon = Daemon(path, info, failures)
            assert process.stdout
            out = process.stdout.readline()
            process.terminate()
            assert process.stdout.read() == ""
        return out, daemon

    return run


Report = Callable[..., tuple[str, Daemon]]


def parse(line: str) -> Any:
    head, text = line.split(" ", 1)
    assert head == "dind-report"
    assert line.endswith("}\n")
    return json.loads(text)


def test_the_line_has_what_the_daemon_says_of_itself_once(report: Report) -> None:
    out, daemon = report(json.dumps(INFO).encode(), before=0.3)
    assert parse(out) == {
        "version": 1,
        "serverVersion": "26.1.5+dfsg1",
        "storageDriver": "overlay2",
        "cgroupVersion": "1",
        "cgroupDriver": "cgroupfs",
    }
    assert daemon.asked == ["/_ping", "/info"]


def test_it_asks_until_the_daemon_answers(report: Report) -> None:
    out, daemon = report(json.dumps(INFO).encode(), failures=3)
    assert parse(out)["storageDriver"] == "overlay2"
    assert daemon.asked == ["/_ping"] * 4 + ["/info"]


def test_an_older_daemon_that_does_not_know_its_cgroup_version(report: Report) -> None:
    info = {name: value for name, value in INFO.items() if name != "CgroupVersion"}
    assert parse(report(json.dumps(info).encode())[0])["cgroupVersion"] is None


@pytest.mark.parametrize("value", [17, None, ["x"], "x" * 500])
def test_a_value_that_is_not_a_short_string_is_left_out(report: Report, value: object) -> None:
    out, _ = report(json.dumps(INFO | {"ServerVersion": value}).encode())
    assert parse(out)["serverVersion"] is None
    assert parse(out)["storageDriver"] == "overlay2"


def test_quotes_and_escapes_in_a_value_stay_valid(report: Report) -> None:
    out, _ = report(json.dumps(INFO | {"Driver": 'a"b\\c\n}'}).encode())
    assert parse(out)["storageDriver"] == 'a"b\\c\n}'


@pytest.mark.parametrize("info", [b"", b"{", b'{"ServerVersion', b'{"ServerVersion":"x', b"\\", b'"'])
def test_an_answer_that_is_cut_gives_a_valid_line(report: Report, info: bytes) -> None:
    assert parse(report(info)[0])["serverVersion"] is None


def test_no_daemon_means_no_line(helper: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [helper, "init", "--report", tmp_path / "docker.sock", "--", "sleep", "0.5"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

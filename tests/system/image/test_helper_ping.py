"""The probe against real unix sockets that answer, refuse, hang, drip and lie."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

OK = b"HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\nOK"
Serve = Callable[[Callable[[socket.socket], None]], Path]


@pytest.fixture
def requests() -> list[bytes]:
    return []


@pytest.fixture
def serve(tmp_path: Path, requests: list[bytes]) -> Iterator[Serve]:
    """Starts a server that reads the request and hands every connection to a function."""
    with ExitStack() as stack:

        def start(answer: Callable[[socket.socket], None]) -> Path:
            path = tmp_path / "docker.sock"
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen()

            def loop() -> None:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with connection:
                        requests.append(connection.recv(4096))
                        answer(connection)

            threading.Thread(target=loop, daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return path

        yield start


def ping(helper: Path, *arguments: str | Path, **env: str) -> tuple[int, str, float]:
    start = time.monotonic()
    done = subprocess.run(
        [helper, "ping", *arguments], capture_output=True, text=True, check=False, timeout=30, env=env
    )
    assert done.stdout.count("\n") <= 1
    return done.returncode, done.stdout + done.stderr, time.monotonic() - start


def test_a_daemon_that_answers(helper: Path, serve: Serve, requests: list[bytes]) -> None:
    assert ping(helper, serve(lambda connection: connection.sendall(OK)))[:2] == (0, "")
    assert requests == [b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"]


def test_no_socket(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    assert ping(helper, path)[:2] == (1, f"docker daemon: cannot connect to {path}: no such file or directory\n")


def test_nobody_listens_any_more(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert ping(helper, path)[:2] == (1, f"docker daemon: cannot connect to {path}: connection refused\n")


def test_a_daemon_that_hangs_ends_by_the_probes_own_clock(helper: Path, serve: Serve) -> None:
    status, text, seconds = ping(helper, "--timeout", "0.4", serve(lambda _: time.sleep(3)))
    assert (status, text) == (1, "docker daemon: no answer to /_ping in time\n")
    assert 0.4 <= seconds < 1.5


def test_a_full_queue_of_connections_does_not_block(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)
        while True:
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            try:
                waiting.connect(str(path))
            except BlockingIOError:
                break
        status, text, seconds = ping(helper, "--timeout", "0.3", path)
    assert (status, text) == (1, f"docker daemon: cannot connect to {path}: connection timed out\n")
    assert seconds < 1.5


def test_an_answer_that_drips_is_cut_at_the_deadline(helper: Path, serve: Serve) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in OK * 5:
            try:
                connection.send(bytes([byte]))
            except OSError:
                return
            time.sleep(0.05)

    status, _, seconds = ping(helper, "--timeout", "0.4", serve(drip))
    assert status == 1
    assert seconds < 1.5


def test_a_daemon_that_is_not_well(helper: Path, serve: Serve) -> None:
    path = serve(lambda connection: connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"))
    assert ping(helper, path)[:2] == (1, "docker daemon: /_ping answered with HTTP status 503\n")


ANSWERS = {"nothing": b"", "text": b"hello", "half": b"HTTP/1.0 200 OK\r\n", "zeros": b"\0" * 100}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_something_that_is_not_a_daemon(helper: Path, serve: Serve, answer: bytes) -> None:
    status, text, _ = ping(helper, serve(lambda connection: connection.sendall(answer)))
    assert status == 1
    assert text.startswith("docker daemon: the answer ")


def test_a_path_too_long_for_a_socket(helper: Path) -> None:
    status, text, _ = ping(helper, "/" + "x" * 200)
    assert status == 1
    assert "too long for a unix socket" in text


def test_waiting_ends_as_soon_as_the_daemon_answers(helper: Path, serve: Serve, tmp_path: Path) -> None:
    timer = threading.Timer(0.4, lambda: serve(lambda connection: connection.sendall(OK)))
    start = time.monotonic()
    timer.start()
    status, text, _ = ping(helper, "--timeout", "5", "--wait", "4", tmp_path / "docker.sock")
    assert (status, text) == (0, "")
    assert 0.4 <= time.monotonic() - start < 2.5
    timer.join()


def test_waiting_in_vain_gives_the_last_reason(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    status, text, seconds = ping(helper, "--wait", "0.4", path)
    assert (status, text) == (1, f"docker daemon: cannot connect to {path}: no such file or directory\n")
    assert 0.35 <= seconds < 2


def test_waiting_never_outlasts_the_timeout(helper: Path, serve: Serve) -> None:
    status, text, seconds = ping(helper, "--timeout", "0.4", "--wait", "0.2", serve(lambda _: time.sleep(3)))
    assert (status, text) == (1, "docker daemon: no answer to /_ping in time\n")
    assert 0.4 <= seconds < 1.5


@pytest.mark.parametrize(
    "arguments", [["--timeout", "0"], ["--wait", "x"], ["--timeout", "x"], ["--bogus"], ["a", "b"]]
)
def test_wrong_usage_is_not_taken_for_a_dead_daemon(helper: Path, arguments: list[str]) -> None:
    assert ping(helper, *arguments)[0] == 2

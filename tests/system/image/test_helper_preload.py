"""Images that the helper pulls: against a socket that answers as dockerd does, with real credentials' files."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

PASSWORD = 'pa:ss"wörd\\/+'
REGISTRY = "r.example.com:5000"


class Daemon:
    """Has `images`; a pull of a name in `errors` gives the next of its sentences, then works."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.images: set[str] = set()
        self.errors: dict[str, list[str]] = {}
        self.pulls: list[str] = []
        self.auths: list[dict[str, str] | None] = []
        self.progress = 1
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen()
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._serve, args=[listener], daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = connection.recv(65536).decode()
                while "\r\n\r\n" not in head:
                    head += connection.recv(65536).decode()
                connection.sendall(self._answer(head))

    def _answer(self, head: str) -> bytes:
        method, path = head.split()[:2]
        if path == "/_ping":
            return b"HTTP/1.0 200 OK\r\n\r\nOK"
        if method == "GET":
            there = path.removeprefix("/images/").removesuffix("/json") in self.images
            return b"HTTP/1.0 200 OK\r\n\r\n{}" if there else b"HTTP/1.0 404 Not Found\r\n\r\n{}"
        asked = parse_qs(urlsplit(path).query)
        (name,), (tag,) = asked["fromImage"], asked["tag"]
        whole = f"{name}@{tag}" if tag.startswith("sha256:") else f"{name}:{tag}"
        self.pulls.append(whole)
        self.auths.append(_auth(head))
        if left := self.errors.get(whole):
            return self._error(left.pop(0))
        self.images.add(whole)
        return b"HTTP/1.0 200 OK\r\n\r\n" + self._stream()

    def _stream(self) -> bytes:
        return b'{"status":"Downloading","progressDetail":{"current":1}}\r\n' * self.progress

    def _error(self, said: str) -> bytes:
        if not said:
            return b"HTTP/1.0 200 OK\r\n\r\n" + self._stream()
        if said.startswith("500 "):
            return b"HTTP/1.0 500 Error\r\n\r\n" + json.dumps({"message": said[4:]}).encode()
        last = json.dumps({"errorDetail": {"message": said}, "error": said}, separators=(",", ":"))
        return b"HTTP/1.0 200 OK\r\n\r\n" + self._stream() + last.encode() + b"\r\n"


def _auth(head: str) -> dict[str, str] | None:
    for line in head.split("\r\n"):
        if line.startswith("X-Registry-Auth: "):
            found: dict[str, str] = json.loads(base64.urlsafe_b64decode(line.partition(": ")[2]))
            return found
    return None


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with ExitStack() as stack:
        yield Daemon(tmp_path / "docker.sock", stack)


Preload = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def preload(helper: Path, tmp_path: Path, daemon: Daemon) -> Preload:
    """Runs it to its end; what it printed, line by line. The marker must be there then, and nothing secret in the output."""

    def run(*images: str, credentials: str = "", minute: str = "1") -> list[dict[str, Any]]:
        marker, file = tmp_path / "preloaded", tmp_path / "config.json"
        file.write_text(credentials)
        command: list[str | Path] = [helper, "preload", marker, file, tmp_path / "docker.sock", *images]
        env = {"DIND_MINUTE_SECONDS": minute}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=30)
        assert marker.exists()
        assert done.stderr == ""
        assert all(line.startswith("dind-preload {") for line in done.stdout.splitlines())
        assert PASSWORD not in done.stdout
        return [json.loads(line.partition(" ")[2]) for line in done.stdout.splitlines()]

    return run


def test_what_is_missing_is_pulled_and_told_of(preload: Preload, daemon: Daemon) -> None:
    daemon.images = {"there:1"}
    lines = preload("there:1", "golang", f"{REGISTRY}/a/b:2", f"a/c@sha256:{'0' * 64}", f"a/d:1@sha256:{'1' * 64}")
    # A name alone would mean all of its tags.
    assert daemon.pulls == ["golang:latest", f"{REGISTRY}/a/b:2", f"a/c@sha256:{'0' * 64}", f"a/d@sha256:{'1' * 64}"]
    assert [(line["done"], line["pulling"]) for line in lines] == [(1, 2), (2, 3), (3, 4), (4, 5), (5, None)]
    assert lines[0] == {"version": 1, "total": 5, "done": 1, "pulling": 2, "failing": None, "kind": "None"}


def test_nothing_is_pulled_twice(preload: Preload, daemon: Daemon) -> None:
    preload("golang:1")
    assert [line["done"] for line in preload("golang:1")] == [1]
    assert daemon.pulls == ["golang:1"]


SENTENCES = {
    'Get "https://r/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority': "UntrustedCertificate",
    'Get "https://r/v2/": http: server gave HTTP response to HTTPS client': "NoTls",
    "unauthorized: authentication required": "Denied",
    "pull access denied for a, repository does not exist or may require 'docker login'": "Denied",
    "manifest for a:1 not found: manifest unknown: manifest unknown": "NotFound",
    "toomanyrequests: You have reached your pull rate limit": "RateLimited",
    "dial tcp: lookup r on 10.96.0.10:53: no such host": "Unreachable",
    "dial tcp 10.0.0.1:5000: connect: connection refused": "Unreachable",
    "write /var/lib/docker/tmp/x: no space left on device": "DiskFull",
    'failed to register layer: failed to Lchown "/x" for UID 718322462, GID 0 (try increasing the number of subordinate IDs in '
    "/etc/subuid and /etc/subgid): lchown /x: invalid argument": "UserOutsideNamespace",
    "something else, with a token abc": "Failed",
}


@pytest.mark.parametrize("before", ["", "500 "], ids=["in the stream", "at once"])
@pytest.mark.parametrize("said", SENTENCES, ids=SENTENCES.values())
def test_a_failure_has_a_kind_and_is_tried_again(preload: Preload, daemon: Daemon, said: str, before: str) -> None:
    daemon.errors = {"a:1": [before + said]}
    lines = preload("a:1", "b:1")
    assert daemon.pulls == ["a:1", "b:1", "a:1"]
    assert {"failing": 1, "kind": SENTENCES[said]}.items() <= lines[1].items()
    # The others come meanwhile, and what failed is told of until it is there.
    assert [line["failing"] for line in lines] == [None, 1, 1, 1, None]
    assert lines[-1]["done"] == 2


def test_an_answer_that_ends_in_the_middle_is_no_image(preload: Preload, daemon: Daemon) -> None:
    daemon.errors = {"a:1": [""]}
    assert [line["kind"] for line in preload("a:1")] == ["None", "Failed", "Failed", "None"]
    assert daemon.pulls == ["a:1", "a:1"]


def test_of_several_failures_the_first_is_told(preload: Preload, daemon: Daemon) -> None:
    daemon.errors = {"a:1": ["unauthorized"], "b:1": ["manifest unknown"]}
    lines = preload("a:1", "b:1")
    assert [(line["failing"], line["kind"]) for line in lines][1:3] == [(1, "Denied")] * 2


@pytest.mark.parametrize("progress", [1, 3000, 40000])
def test_the_error_at_the_end_of_a_long_stream_is_seen(preload: Preload, daemon: Daemon, progress: int) -> None:
    daemon.progress = progress
    daemon.errors = {"a:1": ["no space left on device"]}
    assert "DiskFull" in [line["kind"] for line in preload("a:1")]


def config(**entry: str) -> str:
    return json.dumps(
        {"credHelpers": {REGISTRY: "x"}, "auths": {"other.example.com": {"auth": "eDp5"}, REGISTRY: entry}}
    )


AUTH = base64.b64encode(f"builder:{PASSWORD}".encode()).decode()
USER = {"username": "builder", "password": PASSWORD, "serveraddress": REGISTRY}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (config(auth=AUTH), USER),
        (config(username="builder", password=PASSWORD), USER),
        # As docker and the kubelet read it: what is beside it may be empty, or older.
        (config(username="nobody", password="old", auth=AUTH), USER),
        (config(username="", password="", auth=AUTH), USER),
        (config(identitytoken="t0ken"), {"identitytoken": "t0ken", "serveraddress": REGISTRY}),
        (json.dumps({"auths": {f"https://{REGISTRY}/v1/": {"auth": AUTH}}}, indent=1), USER),
        (json.dumps({"auths": {"r.example.com": {"auth": AUTH}}}), None),
        (json.dumps({"auths": {}}), None),
        (json.dumps({"auths": [REGISTRY]}), None),
        (config(auth="not base64 of two"), None),
        (config(), None),
        ("", None),
        ("{", None),
        ('{"auths":{"' + REGISTRY, None),
        (config(auth=AUTH)[:-30], None),
    ],
)
def test_credentials_are_found_by_the_registry(
    preload: Preload, daemon: Daemon, text: str, sent: dict[str, str] | None
) -> None:
    preload(f"{REGISTRY}/a:1", credentials=text)
    assert daemon.auths == [sent]


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize(
    "image", ["golang:1", "team/tool:2", "docker.io/library/golang:1", "index.docker.io/team/tool:2"]
)
def test_docker_hub_has_several_names(preload: Preload, daemon: Daemon, key: str, image: str) -> None:
    preload(image, f"{REGISTRY}/a:1", credentials=json.dumps({"auths": {key: {"auth": AUTH}}}))
    assert daemon.auths == [USER | {"serveraddress": "https://index.docker.io/v1/"}, None]


def test_a_change_of_the_credentials_is_followed(preload: Preload, daemon: Daemon, tmp_path: Path) -> None:
    daemon.errors = {f"{REGISTRY}/a:1": ["unauthorized"]}
    later = threading.Timer(0.7, lambda: (tmp_path / "config.json").write_text(config(auth=AUTH)))
    later.start()
    # The second try comes after two seconds.
    preload(f"{REGISTRY}/a:1", credentials=config(auth="eDp5"), minute="60")
    later.join()
    assert daemon.auths == [{"username": "x", "password": "y", "serveraddress": REGISTRY}, USER]


def test_readiness_waits_for_the_file_and_liveness_does_not(helper: Path, daemon: Daemon, tmp_path: Path) -> None:
    marker, path = tmp_path / "preloaded", tmp_path / "docker.sock"

    def ping(*options: str | Path) -> tuple[int, str]:
        done = subprocess.run([helper, "ping", *options, path], capture_output=True, text=True, check=False, timeout=20)
        return done.returncode, done.stdout

    assert ping() == (0, "")
    assert ping("--wait", "0.2", "--after", marker) == (1, "docker daemon: images are still being pulled\n")
    marker.touch()
    assert ping("--wait", "0.2", "--after", marker) == (0, "")


def test_init_pulls_beside_its_child(helper: Path, daemon: Daemon, tmp_path: Path) -> None:
    marker = tmp_path / "preloaded"
    options = ["--report", tmp_path / "docker.sock", "--preload", "golang:1 base", "--preloaded", marker]
    command: list[str | Path] = [
        helper,
        "init",
        *options,
        "--",
        "sh",
        "-c",
        f"until [ -e {marker} ]; do sleep 0.1; done",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    assert daemon.pulls == ["golang:1", "base:latest"]

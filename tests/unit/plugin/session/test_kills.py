"""`kubectl dind env` is killed before it has opened its session, and nobody calls the plugin again: no key stays on disk."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.plugin import daemon, states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.errors import CliError
from dind_operator.plugin.kubectl import Kubectl, Target
from dind_operator.plugin.session import open as module
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.forwarder import UNUSED_SECONDS
from dind_operator.plugin.session.record import Session

ROOT = Path(__file__).parents[4]
PROGRAM = "import sys; from dind_operator.plugin.main import main; sys.exit(main())"
GET = 'cd {folder}; case "$*" in *secrets*) cat secret;; *pods/*) cat both;; *) cat one;; esac'
DEADLINE = 20
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


@pytest.fixture
def cluster(kubectl: FakeKubectl, tmp_path: Path) -> FakeKubectl:
    """An environment that is ready, and whose port is never forwarded."""
    kubectl.runs("port-forward", "exec sleep 60")
    kubectl.runs("get", GET.format(folder=tmp_path))
    (tmp_path / "secret").write_text(json.dumps(daemon.client_secret(daemon.authority())))
    (tmp_path / "both").write_text(json.dumps(states.both()))
    (tmp_path / "one").write_text(json.dumps(states.usable()))
    kubectl.fails("config", "error: current-context must exist in order to minify")
    return kubectl


@pytest.fixture
def process(cluster: FakeKubectl) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, "env", "one"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        yield started
        started.kill()


def keys() -> list[Path]:
    """Files that hold the key, complete or not."""
    walked = os.walk(runtime_dir.base())
    return [Path(root) / name for root, _, files in walked for name in files if "key.pem" in name]


def seen(look: Callable[[], object], what: str, *, never: Callable[[], object] = lambda: False) -> None:
    end = time.monotonic() + DEADLINE
    while not look():
        assert not never()
        assert time.monotonic() < end, what
        time.sleep(0.002)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_there_is_no_key_before_the_port_is_forwarded_and_nothing_is_left(
    cluster: FakeKubectl, process: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    seen(lambda: any(call.startswith("port-forward") for call in cluster.calls()), "the forward", never=keys)
    assert process.poll() is None
    process.send_signal(number)
    process.wait(DEADLINE)
    seen(lambda: not runtime_dir.base().exists(), "the end of the session", never=keys)


def test_a_key_that_is_there_goes_with_the_process_that_waits_for_the_daemon(
    request: pytest.FixtureRequest, cluster: FakeKubectl
) -> None:
    """The daemon takes the connection and never answers, so `env` waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        cluster.runs("port-forward", f"echo 'Forwarding from 127.0.0.1:{port} -> 2376'\nexec sleep 60")
        process: subprocess.Popen[bytes] = request.getfixturevalue("process")
        seen(keys, "the key")
        (session,) = (Session(path) for path in runtime_dir.base().iterdir())
        assert session.forwarder_pid() is not None, "who deletes it is there before"
        process.kill()
        process.wait(DEADLINE)
        begin = time.monotonic()
        seen(lambda: not keys(), "the key being deleted")
        assert time.monotonic() - begin < 3 * UNUSED_SECONDS
        seen(lambda: not runtime_dir.base().exists(), "the end of the session")


def test_no_key_is_written_for_a_forwarder_that_has_ended(
    cluster: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.runs("port-forward", "echo 'Forwarding from 127.0.0.1:40001 -> 2376'\nexec sleep 60")
    wait_for_port = module._wait_for_port

    def killed(session: Session) -> None:
        wait_for_port(session)
        forwarder = session.forwarder_pid()
        assert forwarder is not None
        os.kill(forwarder, signal.SIGKILL)
        seen(lambda: session.forwarder_pid() is None, "the end of the forwarder")

    monkeypatch.setattr(module, "_wait_for_port", killed)
    with pytest.raises(CliError, match="forwards the port did not start"):
        module.open_session(Kubectl(Target(namespace="builds")), "one", module.pending_user())
    assert keys() == []
    module.find_session(Kubectl(Target(namespace="builds")), "one").stop()

"""A forwarder serves as long as its session has users, follows the pod, and deletes the files of the session."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.session import forwarder as module
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.forwarder import Forwarder, Users
from dind_operator.plugin.session.record import CLIENT_FILES, PENDING, Session

FORWARDING = "echo 'Forwarding from 127.0.0.1:40001 -> 2376'\nexec sleep 60"
DEADLINE = 10


def seen(look: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def session(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "POD_POLL_SECONDS", 0.1)
    monkeypatch.setattr(module, "UNUSED_SECONDS", 0.2)
    kubectl.runs("port-forward", FORWARDING)
    kubectl.answers("get", states.both())
    made = Session(runtime_dir.base() / "one")
    with runtime_dir.locked():
        made.make()
        made.add_user(str(os.getpid()))
    return made


class Running:
    """A forwarder in a thread."""

    def __init__(self, session: Session, uid: str = "u1") -> None:
        self.forwarder = Forwarder(session, Kubectl(), "one", uid)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.code = self.forwarder.run()

    def ended(self) -> int | None:
        self._thread.join(DEADLINE)
        return self.code


def test_it_serves_until_its_last_user_is_gone_and_leaves_nothing(session: Session) -> None:
    user = subprocess.Popen(["sleep", "60"])
    (session.users / str(os.getpid())).unlink()
    session.add_user(str(user.pid))
    running = Running(session)
    seen(lambda: session.state().get("port") == 40001, "the port")
    time.sleep(0.5)
    assert running.code is None, "it is used"
    user.kill()
    user.wait()
    assert running.ended() == 0
    assert not runtime_dir.base().exists()


def test_a_new_pod_gets_a_new_forward_and_the_clients_new_files(kubectl: FakeKubectl, session: Session) -> None:
    running = Running(session)
    seen(lambda: session.state().get("pod") == "p1", "the first pod")
    content = base64.b64encode(b"new").decode()
    kubectl.answers("get-secrets", {"metadata": {"name": "s"}, "data": dict.fromkeys(CLIENT_FILES, content)})
    kubectl.answers("get", states.both("p2"))
    seen(lambda: session.state().get("pod") == "p2", "the second pod")
    assert (session.certificates / "key.pem").read_bytes() == b"new"
    forwards = [line for line in kubectl.calls() if line.startswith("port-forward")]
    assert forwards[1:] == ["port-forward --address=127.0.0.1 pods/one 40001:2376"]
    running.forwarder.stop()
    assert running.ended() == 0


def test_a_pod_that_is_not_there_is_waited_for(kubectl: FakeKubectl, session: Session) -> None:
    running = Running(session)
    seen(lambda: session.state().get("pod") == "p1", "the first pod")
    kubectl.answers("get", states.usable())
    kubectl.fails("get-x", "")
    time.sleep(0.3)
    assert running.code is None
    running.forwarder.stop()
    assert running.ended() == 0
    assert not session.directory.exists()


@pytest.mark.parametrize("gone", ["", "another"])
def test_it_ends_with_its_environment(kubectl: FakeKubectl, session: Session, gone: str) -> None:
    running = Running(session)
    seen(lambda: session.state().get("port"), "the port")
    kubectl.answers("get", states.usable(uid="u2") if gone else "")
    assert running.ended() == 0
    assert not session.directory.exists()


def test_a_cluster_that_does_not_answer_ends_nothing(kubectl: FakeKubectl, session: Session) -> None:
    running = Running(session)
    seen(lambda: session.state().get("port"), "the port")
    kubectl.fails("get", "Unable to connect to the server: EOF")
    time.sleep(0.4)
    assert running.code is None
    running.forwarder.stop()
    assert running.ended() == 0


def test_what_is_in_the_way_at_first_is_kept_for_who_waits_and_not_longer(
    kubectl: FakeKubectl, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.fails("get", 'Error from server (Forbidden): pods "one" is forbidden: User "a" cannot get resource "pods"')
    for wait, end in ((60.0, True), (0.2, False)):
        monkeypatch.setattr(module, "PROBLEM_SECONDS", wait)
        with runtime_dir.locked():
            session.make()
            session.add_user(str(os.getpid()))
        running = Running(session)
        if end:
            seen(lambda: "problem" in session.state(), "the problem")
            assert session.state()["problem"]["code"] == 4
            assert "not permitted" in session.state()["problem"]["message"]
            running.forwarder.stop()
        assert running.ended() == 1
        assert not session.directory.exists()


def test_a_start_that_nobody_waits_for_ends(kubectl: FakeKubectl, session: Session) -> None:
    kubectl.runs("port-forward", "exec sleep 60")
    running = Running(session)
    seen(lambda: any(call.startswith("port-forward") for call in kubectl.calls()), "the forward")
    (session.users / str(os.getpid())).unlink()
    assert running.ended() == 1
    assert not session.directory.exists()


def test_a_session_that_another_forwarder_serves_by_now_is_kept(session: Session) -> None:
    running = Running(session)
    seen(lambda: session.state().get("port"), "the port")
    session.write_state(forwarder={"pid": 1, "started": "then"})
    running.forwarder.stop()
    assert running.ended() == 0
    assert session.directory.exists()


def test_a_number_that_another_process_has_got_is_no_user(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(session)
    assert users.any()
    monkeypatch.setattr(runtime_dir, "start_time", lambda pid: "another start")
    assert not users.any()
    assert list(session.users.iterdir()) == []


def test_a_shell_has_a_minute_to_name_itself(session: Session) -> None:
    (session.users / str(os.getpid())).unlink()
    session.add_user(f"{PENDING}1")
    assert Users(session).any()
    assert not Users(session, clock=lambda: time.time() + 61).any()


def test_its_arguments_are_the_targets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[Forwarder] = []

    def run(self: Forwarder) -> int:
        found.append(self)
        return 0

    monkeypatch.setattr(Forwarder, "run", run)
    monkeypatch.setattr(module.os, "umask", lambda mask: mask)
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    assert module.main([str(tmp_path), "one", "u1", "", "c", "n"]) == 0
    assert found[0]._kubectl.target.flags() == ["--context=c", "--namespace=n"]

"""The contents of the directory of a session, and its deletion."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path

import pytest

from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.session import record as session
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.record import (
    PENDING,
    Session,
    client_files,
    problem,
    process_identity,
    remove_dead,
    session_of,
)

WHERE = ("https://a", "me", "builds")
SECRET = {
    "metadata": {"name": "one-client"},
    "data": {name: base64.b64encode(name.encode()).decode() for name in session.CLIENT_FILES},
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = session_of(WHERE, "one")
    with runtime_dir.locked():
        found.make()
    return found


def test_each_environment_of_each_cluster_has_its_own() -> None:
    directories = {
        session_of(where, name).directory
        for where in (
            WHERE,
            ("https://b", "me", "builds"),
            ("https://a", "you", "builds"),
            ("https://a", "me", "other"),
        )
        for name in ("one", "two")
    }
    assert len(directories) == 8
    assert session_of(WHERE, "one") == session_of(WHERE, "one")


def test_the_clients_files_are_private(made: Session) -> None:
    made.write_certificates(client_files(SECRET))
    assert {path.name for path in made.certificates.iterdir()} == set(session.CLIENT_FILES)
    assert (made.certificates / "key.pem").read_text() == "key.pem"
    for path in made.certificates.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    for directory in (made.directory, made.certificates, made.users):
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("data", [{}, None, {"ca.pem": "%%%"}])
def test_a_secret_without_them_is_named(data: dict[str, str] | None) -> None:
    with pytest.raises(CliError, match=r"Secret one-client contains no valid ca\.pem"):
        client_files({"metadata": {"name": "one-client"}, "data": data})


def test_state_is_merged_and_nonsense_is_nothing(made: Session) -> None:
    assert made.state() == {}
    made.write_state(port=1)
    made.write_state(uid="u")
    assert made.state() == {"port": 1, "uid": "u"}
    assert made.variables()["DOCKER_HOST"] == "tcp://127.0.0.1:1"
    (made.directory / "state.json").write_text("[")
    assert made.state() == {}


def test_a_forwarder_is_identified_by_pid_and_start_time(made: Session) -> None:
    made.write_state(forwarder=process_identity(os.getpid()))
    assert made.forwarder_pid() == os.getpid()
    made.write_state(forwarder={"pid": os.getpid(), "started": "another time"})
    assert made.forwarder_pid() is None


def test_stopping_ends_the_forwarder_and_kubectl(made: Session) -> None:
    forwarder, kubectl = subprocess.Popen(["sleep", "60"]), subprocess.Popen(["sleep", "60"])
    made.write_state(forwarder=process_identity(forwarder.pid), port_forward=process_identity(kubectl.pid))
    assert made.stop()
    assert (forwarder.wait(5), kubectl.wait(5)) == (-15, -15)
    assert not runtime_dir.base().exists()
    assert not made.stop(), "there is none any more"


def test_sessions_of_killed_forwarders_are_removed_and_others_are_not(made: Session) -> None:
    new, dead = Session(runtime_dir.base() / "new"), Session(runtime_dir.base() / "dead")
    for other in (new, dead):
        other.make()
    made.write_state(forwarder=process_identity(os.getpid()))
    new.write_state(starting=time.time())
    dead.write_state(starting=time.time(), forwarder={"pid": 1, "started": "never"})
    remove_dead()
    assert [item.directory.exists() for item in (made, new, dead)] == [True, True, False]


def test_a_problem_is_handed_over_with_its_code(made: Session) -> None:
    assert problem(made) is None
    made.write_state(problem={"message": "not permitted", "code": 4})
    found = problem(made)
    assert found is not None
    assert (found.message, found.code) == ("not permitted", Exit.FORBIDDEN)


def test_users_are_files_by_number(made: Session) -> None:
    made.add_user("17")
    made.add_user(f"{PENDING}1")
    assert {path.name for path in made.users.iterdir()} == {"17", f"{PENDING}1"}

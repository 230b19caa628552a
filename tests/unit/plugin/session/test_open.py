"""Opening a session, with a forwarder in a process of its own and a daemon that requires certificates behind the port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.plugin import daemon, states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl, Target
from dind_operator.plugin.session import open as module
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.open import exports, find_session, open_session, pending_user, unsets
from dind_operator.plugin.session.record import Session

FORBIDDEN = 'Error from server (Forbidden): secrets "one-client" is forbidden: User "a" cannot get resource "secrets"'
GET = 'cd {folder}; case "$*" in *secrets*) cat secret;; *pods/*) cat both;; *) cat one;; esac'
ROOT = Path(__file__).parents[4]
KUBECTL = Kubectl(Target(namespace="builds"))


@pytest.fixture
def port(kubectl: FakeKubectl, tmp_path: Path) -> Iterator[int]:
    """A daemon, and a cluster in which a port is forwarded to it."""
    issuer = daemon.authority()
    with daemon.serving(tmp_path, issuer) as number:
        kubectl.runs("port-forward", f"echo 'Forwarding from 127.0.0.1:{number} -> 2376'\nexec sleep 60")
        kubectl.runs("get", GET.format(folder=tmp_path))
        (tmp_path / "secret").write_text(json.dumps(daemon.client_secret(issuer)))
        (tmp_path / "both").write_text(json.dumps(states.both()))
        (tmp_path / "one").write_text(json.dumps(states.usable()))
        kubectl.fails("config", "error: current-context must exist in order to minify")
        yield number
        find_session(KUBECTL, "one").stop()


def test_a_session_serves_and_is_shared(port: int) -> None:
    session = open_session(KUBECTL, "one", str(os.getpid()))
    assert session.variables() == {
        "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(session.certificates),
    }
    forwarder = session.forwarder_pid()
    assert forwarder is not None
    assert os.getsid(forwarder) != os.getsid(0), "no terminal of ours ends it"
    again = open_session(KUBECTL, "one", pending_user())
    assert (again, again.forwarder_pid()) == (session, forwarder)
    assert {path.name for path in session.users.iterdir()} == {str(os.getpid()), pending_user()}
    assert session.stop()
    assert not runtime_dir.base().exists()


def test_a_shell_that_runs_the_exports_is_the_user(port: int) -> None:
    session = open_session(KUBECTL, "one", pending_user())
    script = (
        exports(session, "sh")
        + 'echo $$ "$DOCKER_HOST" "$DOCKER_CERT_PATH"\n'
        + unsets("sh")
        + 'echo "[${DOCKER_HOST-}]"'
    )
    done = subprocess.run(["sh", "-C"], input=script, capture_output=True, text=True, check=True)
    pid, host, path, after = done.stdout.split()
    assert not (session.users / pending_user()).exists(), "it has named itself"
    assert (host, path, after) == (f"tcp://127.0.0.1:{port}", str(session.certificates), "[]")
    end = time.monotonic() + 10
    while (session.users / pid).exists():  # it has ended, and the forwarder detects that
        assert time.monotonic() < end
        time.sleep(0.05)


def test_fish_has_words_of_its_own(port: int) -> None:
    session = open_session(KUBECTL, "one", pending_user())
    text = exports(session, "fish")
    assert text.splitlines()[0] == f"touch '{session.users}'/$fish_pid;"
    assert "set -gx DOCKER_TLS_VERIFY '1';" in text
    assert unsets("fish").splitlines()[0] == "set -e DOCKER_HOST;"


def test_a_killed_forwarder_is_replaced(port: int) -> None:
    session = open_session(KUBECTL, "one", str(os.getpid()))
    first = session.forwarder_pid()
    assert first is not None
    os.kill(first, 9)
    end = time.monotonic() + 10
    while session.forwarder_pid() == first and time.monotonic() < end:
        time.sleep(0.02)
    second = open_session(KUBECTL, "one", str(os.getpid())).forwarder_pid()
    assert second not in (None, first)


def test_a_certificate_that_is_refused_is_no_answer(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESPONSE_SECONDS", 0.3)
    good = (tmp_path / "secret").read_text()
    (tmp_path / "secret").write_text(json.dumps(daemon.client_secret(daemon.authority())))
    with pytest.raises(CliError, match="does not respond on the forwarded port") as caught:
        open_session(KUBECTL, "one", pending_user())
    assert caught.value.code is Exit.NOT_READY
    (tmp_path / "secret").write_text(good)
    assert open_session(KUBECTL, "one", pending_user()).forwarder_pid()


def test_a_secret_that_is_missing_or_forbidden_is_named(port: int, kubectl: FakeKubectl, tmp_path: Path) -> None:
    one = tmp_path / "one"
    for said, code, words in (
        ('Error from server (NotFound): secrets "one-client" not found', Exit.NOT_READY, "the Secret one-client does not exist yet"),
        (FORBIDDEN, Exit.FORBIDDEN, "not permitted: secrets"),
    ):  # fmt: skip
        (tmp_path / "said").write_text(said)
        kubectl.runs("get", f'case "$*" in *secrets*) cat {tmp_path}/said >&2; exit 1;; *) cat {one};; esac')
        with pytest.raises(CliError, match="Secret one-client") as caught:
            open_session(KUBECTL, "one", pending_user())
        assert caught.value.code is code
        assert words in caught.value.message
    assert not find_session(KUBECTL, "one").directory.exists()


def test_an_error_of_the_forwarder_is_reported(port: int, kubectl: FakeKubectl, tmp_path: Path) -> None:
    kubectl.runs("port-forward", "echo 'error: pods is forbidden' >&2; exit 1")
    with pytest.raises(CliError, match="pods is forbidden"):
        open_session(KUBECTL, "one", pending_user())
    assert not runtime_dir.base().exists(), "no key is left"


def test_nothing_is_opened_for_an_environment_that_is_not_ready(port: int, tmp_path: Path) -> None:
    (tmp_path / "one").write_text(json.dumps(states.environment(spec={"operatingMode": "Suspended"})))
    with pytest.raises(CliError, match="is suspended"):
        open_session(KUBECTL, "one", pending_user())
    assert not runtime_dir.base().exists()


def test_nothing_is_imported_from_the_folder_the_user_stands_in(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for file in ("shutil.py", "click.py", "pydantic.py"):
        (checkout / file).write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nraise SystemExit(1)\n")
    monkeypatch.chdir(checkout)
    assert open_session(KUBECTL, "one", pending_user()).forwarder_pid()
    assert not (tmp_path / "imported").exists()
    careless = [sys.executable, "-m", "dind_operator.plugin.session.forwarder"]
    subprocess.run(careless, check=False, capture_output=True, timeout=30, env={"PYTHONPATH": str(ROOT / "operator")})
    assert (tmp_path / "imported").exists(), "without the guard it would be"


def test_an_environment_made_anew_gets_a_session_of_its_own(port: int, tmp_path: Path) -> None:
    first: Session = open_session(KUBECTL, "one", str(os.getpid()))
    forwarder = first.forwarder_pid()
    other = states.usable(uid="u2")
    (tmp_path / "one").write_text(json.dumps(other))
    (tmp_path / "both").write_text(json.dumps({"kind": "List", "items": [other, states.pod()]}))
    second = open_session(KUBECTL, "one", str(os.getpid()))
    assert second.forwarder_pid() not in (None, forwarder)
    assert second.state()["uid"] == "u2"

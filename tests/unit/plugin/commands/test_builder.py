"""`builder`: the configuration of the environment's builders on this machine, and nothing else of what the container says."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.commands import builder as module
from dind_operator.plugin.errors import Exit
from dind_operator.plugin.main import main
from dind_operator.plugin.session.record import Session

CA = "/run/dind-registry/trust/ca.crt"
CONFIG = f"""
[registry."docker.io"]
  mirrors = ["mirror.example.com/../hub/v2"]
  ca = ["{CA}"]
[registry."mirror.example.com"]
  http = true
  insecure = true
  ca = ["{CA}"]
  unknown = "x"
"""


@pytest.fixture(autouse=True)
def place(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that runs, and the directory of the files."""
    kubectl.answers("get", states.usable())
    session = Session(tmp_path / "session")
    session.make()
    session.write_state(port=40001)
    monkeypatch.setattr(module, "find_session", lambda _kubectl, _name: session)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:40001")
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    return here / "one-builder"


def has(kubectl: FakeKubectl, config: str) -> None:
    """The daemon's container has this configuration and one authority."""
    (kubectl.folder / "config").write_text(config)
    kubectl.runs("exec", f'case "$*" in *.toml*) cat {kubectl.folder}/config ;; *) echo "the authority" ;; esac')


def test_the_files_are_written_and_the_command_is_printed(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    has(kubectl, CONFIG)
    assert main(["builder", "one"]) == 0
    file = place / "buildkitd.toml"
    *context, removal, creation = capsys.readouterr().out.splitlines()
    assert context == ["docker context rm --force dind-one", "docker context create dind-one"]
    assert removal == (
        "docker buildx inspect one 2>/dev/null | grep -q ' dind-one$' && docker buildx rm --keep-state one || true"
    ), "the builder of an earlier call, and no other of this name"
    assert shlex.split(creation) == [
        *["docker", "buildx", "create", "--name", "one", "--driver", "docker-container", "--config"],
        str(file),
        "dind-one",
    ]
    authority = place / "ca-1.crt"
    assert authority.read_text() == "the authority\n"
    assert tomllib.loads(file.read_text()) == {
        "registry": {
            "docker.io": {"mirrors": ["mirror.example.com/../hub/v2"], "ca": [str(authority)]},
            "mirror.example.com": {"http": True, "insecure": True, "ca": [str(authority)]},
        }
    }


def test_without_a_configuration_none_is_needed(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    has(kubectl, "")
    assert main(["builder", "one"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "docker buildx create --name one --driver docker-container dind-one"
    assert "needs no configuration" in printed.err
    assert not place.exists()


@pytest.mark.parametrize("host", ["", "tcp://127.0.0.1:40002", "unix:///var/run/docker.sock"])
def test_a_shell_that_is_connected_elsewhere_gets_no_builder(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, place: Path
) -> None:
    has(kubectl, CONFIG)
    monkeypatch.setenv("DOCKER_HOST", host)
    assert main(["builder", "one"]) == Exit.NOT_USABLE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert 'eval "$(kubectl dind env one)"' in printed.err
    assert not place.exists()


@pytest.mark.parametrize(
    "config",
    [
        '[registry."a"]\nca = ["/root/.ssh/id_ed25519"]',
        '[registry."a"]\nca = ["/run/dind-registry/auth/config.json"]',
        '[registry."a"]\nca = ["/run/dind-registry/../../root/.ssh/id_ed25519"]',
        '[registry."a"]\nca = 1',
        'registry = "a"',
        "[registry",
    ],
)
def test_what_a_container_names_is_no_file_of_this_machine(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], place: Path, config: str
) -> None:
    """buildx sends what the configuration names to the builder."""
    has(kubectl, config)
    assert main(["builder", "one"]) == Exit.FAILED
    assert "is invalid" in capsys.readouterr().err
    assert not place.exists()

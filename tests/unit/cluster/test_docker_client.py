"""The docker CLI is the machine's own, or comes out of Debian's package without being installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import docker_client
from tests.cluster.progress import ClusterError

APT = """#!/bin/sh
echo "$3" >>{folder}/asked
[ "$3" = "{package}" ] || {{ echo "E: Unable to locate package $3" >&2; exit 100; }}
echo >"$3_1_amd64.deb"
"""
DPKG = '#!/bin/sh\nmkdir -p "$3/usr/bin" && echo >"$3/usr/bin/docker"\n'


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without docker, with these programs alone before those of every machine."""
    made = tmp_path / "bin"
    made.mkdir()
    monkeypatch.setenv("PATH", f"{made}:/usr/bin:/bin")
    monkeypatch.setattr(docker_client, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setattr(docker_client.shutil, "which", lambda name: None)
    program(made / "dpkg", DPKG)
    return made


def test_the_machines_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_client.shutil, "which", lambda name: f"/opt/{name}")
    assert docker_client.folder() == Path("/opt")


@pytest.mark.parametrize(("package", "asked"), [("docker-cli", 1), ("docker.io", 2)])
def test_it_is_unpacked_once_from_whichever_package_there_is(folder: Path, package: str, asked: int) -> None:
    program(folder / "apt-get", APT.format(folder=folder, package=package))
    found = docker_client.folder()
    assert (found / "docker").exists()
    assert docker_client.folder() == found
    assert len((folder / "asked").read_text().split()) == asked


def test_a_machine_that_has_neither_is_told(folder: Path) -> None:
    program(folder / "apt-get", APT.format(folder=folder, package="none"))
    with pytest.raises(ClusterError, match=r"tried docker-cli, docker\.io.*Unable to locate package docker\.io"):
        docker_client.folder()

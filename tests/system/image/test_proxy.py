"""The proxy of nested containers: what the wrapper leaves for runc-wrapper, and what that makes of containers and processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.sandbox import applets

URL = 'http://us|er:p&a\\\\ss"w@p.example.com:3128/'
OWN = ["PATH=/bin", "HTTP_PROXY=own"]
TEXT = 'text "env":["A=B"]'
PREPARE = r"""
set -eu; lib=$0; . "$lib/lib.sh"; . "$lib/proxy.sh"
network_report='{"bridge":"172.17.0.1/16","pools":["172.18.0.0/16","fd00::/64"],"interface":"eth0"}'
proxy_nested "$1"
printf %s "$NO_PROXY $no_proxy"
"""


def prepared(tool: Path, folder: Path, shell: str, **variables: str) -> str:
    program = ["busybox", "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*program, "-c", PREPARE, str(tool), str(folder)],
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": ".svc", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def wrapped(tool: Path, folder: Path, shell: str, tmp_path: Path, *arguments: str) -> None:
    """Calls runc-wrapper; the runc behind it does nothing."""
    (folder / "runc").unlink(missing_ok=True)
    (folder / "runc").symlink_to(tool / "runc-wrapper")
    (real := tmp_path / "bin").mkdir(exist_ok=True)
    (real / "runc").write_text("#!/bin/sh\n")
    (real / "runc").chmod(0o755)
    if shell == "busybox":
        applets(real, ["sed"])
    program = ["busybox", "sh"] if shell == "busybox" else [shell]
    environment = {"PATH": f"{folder}:{real}:/usr/bin:/bin"}
    subprocess.run([*program, str(folder / "runc"), *arguments], env=environment, check=True)


@pytest.mark.parametrize("space", [(",", ":"), (", ", ": ")], ids=["tight", "spaced"])
def test_containers_and_processes_in_them_have_it_before_their_own_variables(
    tool: Path, tmp_path: Path, shell: str, space: tuple[str, str]
) -> None:
    folder, bundle, process = tmp_path / "runc-wrapper", tmp_path / "bundle", tmp_path / "process.json"
    direct = ".svc,172.17.0.1/16,172.18.0.0/16,fd00::/64"
    assert prepared(tool, folder, shell, DIND_PROXY="1", HTTPS_PROXY=URL) == f"{direct} {direct}"
    assert (folder / "proxy.sed").stat().st_mode & 0o077 == 0, "it may hold a password"
    bundle.mkdir()
    config = {"process": {"args": [TEXT, "env"], "env": OWN}, "annotations": {"a": TEXT}, "hooks": {"env": ["X=Y"]}}
    (bundle / "config.json").write_text(json.dumps(config, separators=space))
    process.write_text(json.dumps({"args": [TEXT], "env": OWN}, separators=space))
    wrapped(tool, folder, shell, tmp_path, "create", "--bundle", str(bundle), "id")
    wrapped(tool, folder, shell, tmp_path, "exec", "--process", str(process), "id")
    given = [f"HTTPS_PROXY={URL}", f"https_proxy={URL}", f"NO_PROXY={direct}", f"no_proxy={direct}"]
    expected = {**config, "process": {"args": [TEXT, "env"], "env": [*given, *OWN]}}
    assert json.loads((bundle / "config.json").read_text()) == expected
    assert json.loads(process.read_text()) == {"args": [TEXT], "env": [*given, *OWN]}


def test_without_a_proxy_of_the_environment_nothing_is_left(tool: Path, tmp_path: Path, shell: str) -> None:
    """Variables that somebody set for dockerd alone are not for containers."""
    assert prepared(tool, tmp_path / "runc-wrapper", shell, HTTPS_PROXY=URL, no_proxy="a") == ".svc a"
    assert not (tmp_path / "runc-wrapper").exists()


def test_an_empty_environment_stays_valid(tool: Path, tmp_path: Path, shell: str) -> None:
    folder, bundle = tmp_path / "runc-wrapper", tmp_path / "bundle"
    prepared(tool, folder, shell, DIND_PROXY="1", HTTPS_PROXY=URL)
    bundle.mkdir()
    (bundle / "config.json").write_text('{"process":{"env":[]}}')
    wrapped(tool, folder, shell, tmp_path, "create", "-b", str(bundle), "id")
    assert json.loads((bundle / "config.json").read_text()) == {"process": {"env": []}}

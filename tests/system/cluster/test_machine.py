"""Setting up the machine: an old kubectl is replaced, and setup refuses to run without root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster import machine
from tests.cluster.record import checkout
from tests.cluster.tools import TOOLS


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("minor", "provided"), [("20", True), ("31", False)])
def test_an_old_kubectl_gives_way_to_one_built_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minor: str, provided: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    built = TOOLS["kubectl"].path
    built.parent.mkdir(parents=True)
    built.touch()  # in the cache already, so nothing is built
    answer = json.dumps({"clientVersion": {"major": "1", "minor": minor}})
    script(tmp_path / "bin", "kubectl", f"echo '{answer}'")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    machine.setup()
    link = machine.programs() / "kubectl"
    assert link.is_symlink() is provided
    if provided:
        assert link.resolve() == built


def test_who_is_not_root_is_told_what_to_do() -> None:
    program = (
        "import os, sys; from tests.cluster import machine; from tests.cluster.progress import ClusterError\n"
        "os.setuid(65534)\n"
        "try: machine.setup()\nexcept ClusterError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=checkout(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "run make as root" in done.stderr
    assert "CLUSTER=current" in done.stderr

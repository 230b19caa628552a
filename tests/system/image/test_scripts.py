"""The scripts as text: what a linter and each shell's parser say, and what they may rely on."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import IMAGE, Sandbox

LOADER = IMAGE / "apparmor" / "loader"
TOOL = [IMAGE / "entrypoint", IMAGE / "cgroups-mount", IMAGE / "runc-wrapper"]
ENTRIES = [*TOOL, LOADER]
SCRIPTS = [*TOOL, *sorted(IMAGE.glob("*.sh"))]


@pytest.mark.parametrize("script", ENTRIES, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script_and_what_it_sources(script: Path) -> None:
    done = subprocess.run(["shellcheck", "-x", "-a", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=" ".join)
@pytest.mark.parametrize("script", [*SCRIPTS, LOADER], ids=lambda path: path.name)
def test_both_shells_can_parse_it(script: Path, shell: list[str]) -> None:
    done = subprocess.run([*shell, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_in_the_report_is_the_projects() -> None:
    project = tomllib.loads((IMAGE.parent / "pyproject.toml").read_text())["project"]["version"]
    assert f"DIND_TOOL_VERSION={project}\n" in (IMAGE / "lib.sh").read_text()
    assert (IMAGE.parent / "Dockerfile").read_text().count(f"ARG VERSION={project}\n") == 4


def test_every_file_of_the_tool_is_copied_into_the_image_and_installed() -> None:
    dockerfile = (IMAGE.parent / "Dockerfile").read_text()
    preflight = (IMAGE / "preflight.sh").read_text()
    installed = preflight.split("tool_files='")[1].split("'")[0].split()
    assert sorted(installed) == sorted([path.name for path in SCRIPTS] + ["dind-helper"])
    for path in SCRIPTS:
        assert f"image/{path.name} " in dockerfile


@pytest.mark.parametrize("script", ["entrypoint", "cgroups-mount"])
def test_a_signal_during_the_first_lines_is_not_lost(
    make_sandbox: Callable[..., Sandbox], tool: Path, tmp_path: Path, script: str
) -> None:
    """The kernel gives PID 1 no signal that it has no handler for: the handler comes before anything that takes time."""
    changed = tmp_path / "changed"
    shutil.copytree(tool, changed)
    lines = (tool / script).read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if "$(" in line)
    (changed / script).write_text("\n".join([*lines[:first], "kill -TERM $$", *lines[first:], ""]))
    done = make_sandbox().run(changed / script, "mount")
    assert (done.returncode, done.stderr) == (143, "")

"""The scripts as text: what a linter and each shell's parser say, and what they may rely on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import IMAGE, Sandbox

LOADER = IMAGE / "apparmor" / "loader"
TOOL = [IMAGE / "entrypoint", IMAGE / "cgroups-mount"]
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

"""Interpreters for programs of other architectures (binfmt_misc): whose they are, as docs/differences.md says.

A pod of mode UserNamespace registers them for itself, any other pod for its node. The kernel decides that.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

# Since then each user namespace can have interpreters of its own.
OWN_SINCE = (6, 7)
# Registers one for files that begin with the second word, runs such a file, and says whether the interpreter was called.
_REGISTER = """
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
trap 'echo -1 >/proc/sys/fs/binfmt_misc/'"$1" EXIT
echo ":$1:M::$1::$2/interpreter:" >/proc/sys/fs/binfmt_misc/register
"$2/program"
eval "$3"
"""
_LIST = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; ls /proc/sys/fs/binfmt_misc"


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A name that is also the magic of a program which only its interpreter can run."""
    name = f"dindtest{os.getpid()}"
    (tmp_path / "interpreter").write_text("#!/bin/sh\necho interpreted\n")
    (tmp_path / "program").write_text(f"{name} and more\n")
    for file in tmp_path.iterdir():
        file.chmod(0o755)
    return name


def register(name: str, folder: Path, more: str, *enter: str) -> subprocess.CompletedProcess[str]:
    line = ["unshare", *enter, "--mount", "sh", "-euc", _REGISTER, "sh", name, str(folder), more]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def registered() -> list[str]:
    """As the machine has them."""
    line = ["unshare", "--mount", "sh", "-euc", _LIST]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()


def test_in_a_user_namespace_they_stay_inside(tmp_path: Path, name: str) -> None:
    """Also those that a pod of that mode leaves behind: they go with its user namespace."""
    leave = "ls /proc/sys/fs/binfmt_misc; trap - EXIT"
    done = register(name, tmp_path, leave, "--user", "--map-root-user")
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release < OWN_SINCE:
        assert done.returncode != 0
        assert "denied" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["interpreted", name, "register", "status"]
    assert name not in registered()


def test_outside_of_any_they_are_the_machines(tmp_path: Path, name: str) -> None:
    """The same act; what was registered is taken back by the script itself."""
    line = ["unshare", "--mount", "sh", "-euc", _REGISTER, "sh", name, str(tmp_path), "read -r answer || :"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout
        assert script.stdout.readline() == "interpreted\n"
        found = registered()
        script.communicate(timeout=30)
    assert (script.returncode, name in found) == (0, True)
    assert name not in registered()

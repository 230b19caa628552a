"""A folder of the node as the init container and the wrapper see it, under both shells: the right one, and nobody else's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Check = Callable[..., tuple[int, str, str]]

# $1 shapes the prefix, which is mounted where the pod has it, and /var/lib/docker.
SCRIPT = """
set -eu; lib=$0; termination_log=/none
write_failure() { echo "failed $1 $2"; }
. "$lib/lib.sh"; . "$lib/modes.sh"; . "$lib/storage.sh"
host_prefix=/run/prefix
mkdir "$host_prefix"; cd "$host_prefix"; eval "$1"
trap 'report_unexpected $?' EXIT
host_folder_check
echo "owner $(cat /var/lib/docker/.dind-owner)"
[ ! -e "$host_prefix/kept" ] || echo "written through a link"
"""
OWN = "mkdir own other; mount --bind own /var/lib/docker"
OWNER = "team-a/builder 1111-2222"


@pytest.fixture
def check(make_sandbox: MakeSandbox, tool: Path) -> Check:
    def run(shape: str, folder: str = "own") -> tuple[int, str, str]:
        env = {"DIND_HOST_FOLDER": folder, "DIND_OWNER": OWNER}
        done = make_sandbox().run("sh", "-c", SCRIPT, tool, shape, env=env)
        return done.returncode, done.stdout.strip(), done.stderr

    return run


def test_the_folder_of_that_name_is_taken_and_signed(check: Check) -> None:
    assert check(OWN)[:2] == (0, f"owner {OWNER}")


@pytest.mark.parametrize(
    "left", ["mkfifo own/.dind-owner", "ln -s /run/prefix/kept own/.dind-owner", "mkdir own/.dind-owner"]
)
def test_what_a_daemon_left_in_the_place_of_the_signature_is_replaced(check: Check, left: str) -> None:
    """Its user may put anything there: a pipe, on which everybody waits, or a link to a file that is not in the folder."""
    status, told, _ = check(f"{OWN}; {left}")
    assert (status, told) == (0, f"owner {OWNER}")


@pytest.mark.parametrize(
    "shape",
    [
        "mkdir other; ln -s other own; mount --bind other /var/lib/docker",
        f"{OWN}; umount /var/lib/docker; mount --bind other /var/lib/docker",
        "mkdir other; mount --bind other /var/lib/docker",
        "mkdir other; touch own; mount --bind other /var/lib/docker",
    ],
    ids=["link", "another", "gone", "file"],
)
def test_anything_else_under_that_name_is_refused(check: Check, shape: str) -> None:
    status, told, said = check(shape)
    assert (status, told) == (1, "failed Storage HostPathIsSymlink")
    assert "'own' is a symbolic link there" in said


@pytest.mark.parametrize(
    ("signed", "named"),
    [
        ("team-b/build 3333", "of the environment team-b/build 3333"),
        ("<script> $(reboot)", "of the environment that is not known"),
        ("", "of the environment that is not known"),
    ],
)
def test_a_folder_that_is_locked_is_refused_with_its_owners_name(check: Check, signed: str, named: str) -> None:
    lock = "flock --exclusive own sleep 20 & sleep 0.5"
    shape = f"{OWN}; printf '%s\\n' '{signed}' >own/.dind-owner"
    status, told, said = check(f"{shape}; {lock}")
    assert (status, told) == (1, "failed Storage HostPathInUse")
    assert named in said
    # Without the lock what somebody signed once means nothing.
    assert check(shape)[:2] == (0, f"owner {OWNER}")


def test_without_a_folder_of_the_node_nothing_is_asked(check: Check) -> None:
    status, _, said = check("touch /var/lib/docker/.dind-owner", folder="")
    assert (status, said) == (0, "")


def test_the_helper_locks_for_as_long_as_its_child_lives_and_no_longer(helper: Path, tmp_path: Path) -> None:
    def free() -> int:
        return subprocess.run([helper, "lock", tmp_path], check=False, capture_output=True).returncode

    assert free() == 0
    child = [shutil.which("sh") or "sh", "-c", "sleep 60 & echo up; exec sleep 60"]
    with subprocess.Popen([helper, "init", "--lock", tmp_path, "--", *child], stdout=subprocess.PIPE) as init:
        assert init.stdout
        assert init.stdout.readline() == b"up\n"
        assert free() == 1
        second = subprocess.run([helper, "init", "--lock", tmp_path, "--", "true"], check=False, capture_output=True)
        assert second.returncode == 125
        assert b"cannot lock" in second.stderr
        # Killed, with children that live on: theirs is not the lock.
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
        init.kill()
        init.wait()
        assert free() == 0
        for pid in children:
            subprocess.run(["pkill", "-KILL", "-P", pid], check=False)
            subprocess.run(["kill", "-KILL", pid], check=False)


def test_what_cannot_be_locked_is_told_apart_from_what_is_locked(helper: Path, tmp_path: Path) -> None:
    done = subprocess.run([helper, "lock", tmp_path / "none"], check=False, capture_output=True, text=True)
    assert (done.returncode, "no such file" in done.stderr) == (125, True)

"""The wrapper's choice of a storage driver, under both shells and with the machine's own file systems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Choose = Callable[..., tuple[int, str, str]]

SCRIPT = """
set -eu; lib=$0; termination_log=/none
write_failure() { echo "failed $1 $2"; }
. "$lib/lib.sh"; . "$lib/modes.sh"; . "$lib/storage.sh"
trap 'report_unexpected $?; [ -z "$scratch" ] || scratch_remove' EXIT
storage_choose
echo "chosen <$storage_flag>"
"""
OVERLAY = (
    "mkdir /run/l /run/u /run/w; mount -t overlay -o lowerdir=/run/l,upperdir=/run/u,workdir=/run/w o /var/lib/docker"
)
# Should the machine have it.
NO_PROGRAM = 'program=$(command -v fuse-overlayfs) && touch /run/none && mount --bind /run/none "$program" || :'
FULL = "mount -t tmpfs -o size=4m t /var/lib/docker; dd if=/dev/zero of=/var/lib/docker/f bs=64k 2>/dev/null || :"


@pytest.fixture
def choose(make_sandbox: MakeSandbox, tool: Path) -> Choose:
    def run(more: str = "", **env: str) -> tuple[int, str, str]:
        box = make_sandbox(more=more)
        done = box.run("sh", "-c", SCRIPT, tool, env=env)
        assert [path.name for path in box.volume.iterdir()] == []
        return done.returncode, done.stdout, done.stderr

    return run


def test_where_an_overlay_works_nothing_is_chosen(choose: Choose) -> None:
    assert choose()[:2] == (0, "chosen <>\n")


def test_what_the_init_container_has_proved_is_not_tried_again(choose: Choose, tool: Path) -> None:
    proved = tool / "overlay-works"
    proved.touch()
    try:
        assert choose(f"{OVERLAY}; {NO_PROGRAM}")[:2] == (0, "chosen <>\n")
    finally:
        proved.unlink()
    assert choose(f"{OVERLAY}; {NO_PROGRAM}")[0] == 1


def test_what_the_user_chose_is_not_tried(choose: Choose) -> None:
    assert choose(OVERLAY, DIND_STORAGE_DRIVER="vfs")[:2] == (0, "chosen <>\n")
    # Without the choice the same volume is refused, where the image has no program that helps.
    assert choose(f"{OVERLAY}; {NO_PROGRAM}")[1] == "failed Storage FuseOverlayfsMissing\n"


def test_a_full_volume_is_no_reason_against_its_file_system(choose: Choose) -> None:
    """A daemon that was killed on a full volume must come back: only through it can the volume be emptied."""
    assert choose(FULL)[:2] == (0, "chosen <>\n")


def test_a_read_only_volume_is_named(choose: Choose) -> None:
    status, told, said = choose("mount -o remount,bind,ro /var/lib/docker")
    assert (status, told) == (1, "failed Storage StorageNotWritable\n")
    assert "mounted read-write" in said

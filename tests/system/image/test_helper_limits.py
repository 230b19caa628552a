"""The nested limit follows the container's own while the daemon runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.sandbox import MIB, Sandbox, sandbox, told

# The helper looks every two seconds; the rest is for a busy machine.
SECONDS = 30.0
RESERVE = 64 * MIB
LIMIT = 256 * MIB


@pytest.fixture
def box(tmp_path: Path, hierarchies_stay: None) -> Iterator[Sandbox]:
    with sandbox(tmp_path / "volume", memory=LIMIT) as made:
        yield made


@contextmanager
def daemon(
    box: Sandbox, tool: Path, log: Path, reserve: int = RESERVE, limit: int = LIMIT, minute: int = 60
) -> Iterator[None]:
    """`limit` is the one that the wrapper made the nested limit from; a minute has as many seconds."""
    known = ["--group", "/docker", "--limit", str(limit), "--reserve", str(reserve)]
    command = [tool / "dind-node", "init", *known, "--", "sleep", "60"]
    with log.open("w") as stderr:
        process = box.start(
            *(tool / "cgroups-mount", "mount", "--", *command),
            env=told(reserveBytes=reserve) | {"DIND_MINUTE_SECONDS": str(minute)},
            stderr=stderr,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def holds(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not what() and time.monotonic() < deadline:
        time.sleep(0.1)
    return what()


def nested(box: Sandbox) -> int:
    file = box.groups["memory"] / "docker" / "memory.limit_in_bytes"
    return int(file.read_text()) if file.exists() else 0


def test_more_and_less_memory_move_it(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    limit = box.groups["memory"] / "memory.limit_in_bytes"
    with daemon(box, tool, tmp_path / "log"):
        assert holds(lambda: nested(box) == 192 * MIB)
        for mebibytes in (512, 128):
            limit.write_text(str(mebibytes * MIB))
            assert holds(lambda wanted=mebibytes * MIB - RESERVE: nested(box) == wanted)
        assert f"nested containers together have {64 * MIB}" in (tmp_path / "log").read_text()


def test_what_containers_were_given_for_want_of_a_limit_moves_with_it(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    """Those of builds are one group further down. A limit that somebody chose stays."""
    given = {"id": 192, "buildkit/id": 192, "chosen": 100}
    with daemon(box, tool, tmp_path / "log"):
        assert holds(lambda: nested(box) == 192 * MIB)
        files = {name: box.groups["memory"] / "docker" / name / "memory.limit_in_bytes" for name in given}
        for name, mebibytes in given.items():
            files[name].parent.mkdir(parents=True)
            files[name].write_text(str(mebibytes * MIB))
        (box.groups["memory"] / "memory.limit_in_bytes").write_text(str(512 * MIB))
        assert holds(lambda: f"nested containers together have {448 * MIB}" in (tmp_path / "log").read_text())
        assert {name: int(file.read_text()) // MIB for name, file in files.items()} == {
            **given,
            "id": 448,
            "buildkit/id": 448,
        }


def test_a_container_that_was_being_started_during_changes_follows_them(
    box: Sandbox, tool: Path, tmp_path: Path
) -> None:
    """It was given a limit of before them, and it appears after them."""
    limit = box.groups["memory"] / "memory.limit_in_bytes"
    group = box.groups["memory"] / "docker"
    with daemon(box, tool, tmp_path / "log"):
        assert holds(lambda: nested(box) == 192 * MIB)
        for mebibytes in (512, 384):
            limit.write_text(str(mebibytes * MIB))
            assert holds(lambda wanted=mebibytes * MIB - RESERVE: nested(box) == wanted)
        files = {given: group / f"id{given}" / "memory.limit_in_bytes" for given in (192, 448, 100)}
        for given, file in files.items():
            file.parent.mkdir()
            file.write_text(str(given * MIB))
        assert holds(lambda: [int(files[given].read_text()) // MIB for given in (192, 448)] == [320, 320])
        assert int(files[100].read_text()) == 100 * MIB, "somebody chose it"


def test_a_limit_of_a_minute_ago_is_somebodys_choice(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    limit = box.groups["memory"] / "memory.limit_in_bytes"
    chosen = box.groups["memory"] / "docker" / "chosen" / "memory.limit_in_bytes"
    with daemon(box, tool, tmp_path / "log", minute=1):
        assert holds(lambda: nested(box) == 192 * MIB)
        limit.write_text(str(512 * MIB))
        assert holds(lambda: nested(box) == 448 * MIB)
        time.sleep(2)
        chosen.parent.mkdir()
        chosen.write_text(str(192 * MIB))
        limit.write_text(str(768 * MIB))
        assert holds(lambda: f"nested containers together have {704 * MIB}" in (tmp_path / "log").read_text())
        assert int(chosen.read_text()) == 192 * MIB


def test_a_change_before_it_looked_for_the_first_time_counts(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    """The wrapper takes a second or more between the nested limit and the daemon's start."""
    told = f"the memory limit is now {LIMIT} bytes; nested containers together have {192 * MIB}"
    with daemon(box, tool, tmp_path / "log", limit=LIMIT // 2):
        assert holds(lambda: told in (tmp_path / "log").read_text())


def test_a_reserve_of_nothing_is_followed_too(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    """Nested containers may have all there is, and so they get more when there is more."""
    with daemon(box, tool, tmp_path / "log", reserve=0):
        assert holds(lambda: nested(box) == 256 * MIB)
        (box.groups["memory"] / "memory.limit_in_bytes").write_text(str(512 * MIB))
        assert holds(lambda: nested(box) == 512 * MIB)


def test_a_limit_below_the_reserve_is_told_and_changes_nothing(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    with daemon(box, tool, tmp_path / "log"):
        assert holds(lambda: nested(box) == 192 * MIB)
        (box.groups["memory"] / "memory.limit_in_bytes").write_text(str(32 * MIB))
        assert holds(lambda: "leaves nothing beside the reserve" in (tmp_path / "log").read_text())
        assert nested(box) == 192 * MIB


def test_a_limit_that_is_as_it_was_is_not_written_again(box: Sandbox, tool: Path, tmp_path: Path) -> None:
    """What somebody else set on purpose stays."""
    with daemon(box, tool, tmp_path / "log"):
        assert holds(lambda: nested(box) == 192 * MIB)
        (box.groups["memory"] / "docker" / "memory.limit_in_bytes").write_text(str(100 * MIB))
        time.sleep(5)
        assert nested(box) == 100 * MIB

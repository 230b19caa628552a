"""What an image's key depends on: its own stages and the files they copy, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import dockerfile
from tests.cluster.images import TARGETS
from tests.cluster.record import checkout

TEXT = """\
# a comment
ARG VERSION=1
FROM debian AS build
COPY tool/ Makefile /src/
RUN make \\
    # within
    all
FROM scratch AS tool
COPY --from=build /src/tool /
FROM debian AS server
COPY --chown=1:1 server /app
RUN --mount=type=bind,from=build,source=/src,target=/mnt cp /mnt/x /x
FROM debian AS alone
RUN true
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(TEXT)
    (tmp_path / ".dockerignore").write_text("*\n!tool\n**/__pycache__\n**/*.pyc\ntool/made\n")
    for name in (
        "tool/a.c",
        "tool/made",
        "server/app.py",
        "server/app.pyc",
        "server/__pycache__/app.x",
        "Makefile",
        "README",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def keys(root: Path) -> dict[str, str]:
    return {target: dockerfile.inputs_key(root, target) for target in ("tool", "server", "alone")}


def changed(root: Path, before: dict[str, str]) -> set[str]:
    return {target for target, key in keys(root).items() if key != before[target]}


@pytest.mark.parametrize(
    ("file", "targets"),
    [
        ("tool/a.c", {"tool", "server"}),
        ("Makefile", {"tool", "server"}),
        ("server/app.py", {"server"}),
        ("README", set()),
        ("tool/made", set()),
        ("server/app.pyc", set()),
        ("server/__pycache__/app.x", set()),
    ],
)
def test_a_changed_file_concerns_the_targets_that_copy_it(root: Path, file: str, targets: set[str]) -> None:
    before = keys(root)
    (root / file).write_text("changed")
    assert changed(root, before) == targets


def test_a_new_and_a_renamed_file_count(root: Path) -> None:
    before = keys(root)
    (root / "server" / "new.py").write_text("")
    assert changed(root, before) == {"server"}
    before = keys(root)
    (root / "server" / "new.py").rename(root / "server" / "newer.py")
    assert changed(root, before) == {"server"}


def test_an_executable_bit_counts(root: Path) -> None:
    before = keys(root)
    (root / "tool" / "a.c").chmod(0o755)
    assert changed(root, before) == {"tool", "server"}


@pytest.mark.parametrize(
    ("old", "new", "targets"),
    [
        ("RUN make", "RUN make -j2", {"tool", "server"}),
        ("RUN true", "RUN false", {"alone"}),
        ("ARG VERSION=1", "ARG VERSION=2", {"tool", "server", "alone"}),
        ("# a comment", "# another", set()),
    ],
)
def test_a_changed_instruction_concerns_the_targets_built_on_it(
    root: Path, old: str, new: str, targets: set[str]
) -> None:
    before = keys(root)
    (root / "Dockerfile").write_text(TEXT.replace(old, new))
    assert changed(root, before) == targets


def test_a_target_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(KeyError, match="absent"):
        dockerfile.inputs_key(root, "absent")


def test_a_copied_file_that_is_not_there_is_named(root: Path) -> None:
    (root / "Makefile").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        dockerfile.inputs_key(root, "tool")
    assert caught.value.filename == str(root / "Makefile")


@pytest.mark.parametrize("target", TARGETS)
def test_the_projects_own_targets_copy_files_that_exist(target: str) -> None:
    assert len(dockerfile.inputs_key(Path(checkout()), target)) == 16


def test_what_a_target_starts_from_is_what_no_stage_makes() -> None:
    assert dockerfile.bases(TEXT, "server") == ["debian"]
    assert dockerfile.bases("FROM scratch AS a\nCOPY --from=debian:b-slim /x /x\nFROM a AS c\nFROM z AS d\n", "c") == [
        "debian:b-slim"
    ]

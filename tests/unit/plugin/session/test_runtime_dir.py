"""Private folders, and telling a process from a later one with its number."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from dind_operator.plugin.errors import CliError
from dind_operator.plugin.session import runtime_dir


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_the_folder_is_made_private_and_goes_with_the_last_of_its_files(runtime: Path) -> None:
    with runtime_dir.locked() as base:
        assert base == runtime / "kubectl-dind"
        assert base.stat().st_mode & 0o777 == 0o700
        (base / "file").touch()
    assert base.exists()
    with runtime_dir.locked():
        (base / "file").unlink()
    assert not base.exists()


def test_without_a_runtime_folder_it_is_below_the_temporary_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(runtime_dir.tempfile, "gettempdir", lambda: str(tmp_path))
    assert runtime_dir.base() == tmp_path / f"kubectl-dind-{os.getuid()}"


def test_a_folder_that_others_may_read_gets_no_key(runtime: Path) -> None:
    folder = runtime / "kubectl-dind"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(CliError, match="must not be accessible to other users"), runtime_dir.locked():
        pass
    folder.chmod(0o700)
    with runtime_dir.locked():
        pass


def test_a_link_is_no_folder(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (runtime / "kubectl-dind").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CliError, match="cannot be used"), runtime_dir.locked():
        pass


def test_one_at_a_time_also_when_the_folder_is_removed_in_between() -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with runtime_dir.locked():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_a_file_is_its_owners_alone_and_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (b"one", b"two"):
        runtime_dir.write_private(path, content)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_is_known_by_its_start_and_is_none_when_it_has_ended() -> None:
    assert runtime_dir.start_time(os.getpid()) == runtime_dir.start_time(os.getpid()) is not None
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert runtime_dir.start_time(process.pid) is None, "it has ended and nobody has asked for its code"
    process.wait()
    assert runtime_dir.start_time(process.pid) is None

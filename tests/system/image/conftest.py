"""Fixtures: the tool, compiled once per run; a sandbox; the preflight in a sandbox."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.locks import exclusive
from tests.sandbox import Sandbox, install_tool, sandbox, told


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory, run_directory: Path) -> Path:
    """The directory of the installed files. Each worker has a copy of its own, because some tests change it."""
    built = run_directory / "tool"
    with exclusive(run_directory / "tool.lock", "the helper"):
        if not (built / "dind-node").exists():
            install_tool(built)
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("tool"), symlinks=True, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def helper(tool: Path) -> Path:
    return tool / "dind-node"


@pytest.fixture
def hierarchies_stay(request: pytest.FixtureRequest, run_directory: Path) -> Iterator[None]:
    """For every test with a sandbox: no other worker adds or removes a cgroup hierarchy meanwhile."""
    alone = "new_hierarchy" in request.fixturenames
    # Whoever waits for the lock holds the turn, so that many short holders do not keep out the one who wants it alone.
    turn_path, lock_path = run_directory / "hierarchies.turn", run_directory / "hierarchies.lock"
    with turn_path.open("w") as turn, lock_path.open("w") as lock:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield


@pytest.fixture
def new_hierarchy(hierarchies_stay: None) -> None:
    """For a test that mounts a hierarchy of its own, which every process of the machine sees. The test must wait until the
    hierarchy is gone."""


@pytest.fixture
def make_sandbox(tmp_path: Path, hierarchies_stay: None) -> Iterator[Callable[..., Sandbox]]:
    with ExitStack() as stack:

        def make(**options: Any) -> Sandbox:
            return stack.enter_context(sandbox(tmp_path / "volume", **options))

        yield make


def check_shape(report: dict[str, Any]) -> None:
    """The contract with the operator, member by member."""
    assert list(report) == [
        *(
            "version",
            "ok",
            "tool",
            "mode",
            "kernel",
            "arch",
            "cgroup",
            "memory",
            "apparmor",
            "storage",
            "network",
            "inotify",
            "error",
        )
    ]
    assert report["version"] == 1
    assert isinstance(report["ok"], bool)
    assert report["mode"] is None or re.fullmatch(r"[A-Za-z]+", report["mode"])
    assert report["kernel"] == os.uname().release
    assert report["arch"] == os.uname().machine
    assert list(report["cgroup"]) == ["version", "controllers"]
    assert report["cgroup"]["version"] in (1, 2, None)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in report["cgroup"]["controllers"])
    assert isinstance(report["memory"]["limitBytes"], int | None)
    assert list(report["apparmor"]) == ["enabled", "profile"]
    assert list(report["storage"]) == ["path", "filesystem", "overlay", "driver"]
    assert report["storage"]["path"] == "/var/lib/docker"
    if report["ok"]:
        assert list(report["network"]) == ["interface", "interfaceMtu", "mtu", "bridge", "pools", "ipv6", "forwarder"]
        assert list(report["inotify"]) == ["limit", "free"]
        assert report["inotify"]["limit"] == int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert report["ok"] == (report["error"] is None)
    if report["error"]:
        assert list(report["error"]) == ["check", "reason", "message"]
        assert report["error"]["check"] in ("Cgroups", "Memory", "Storage", "Network", "Registry", "Install")
        assert re.fullmatch(r"([A-Z][a-z]+)+", report["error"]["reason"])
        assert report["error"]["message"].endswith(".")


@pytest.fixture
def preflight(tool: Path, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Runs it in a sandbox and checks what holds always: a valid report, nothing left, whatever the result."""
    install, log = tmp_path / "dind", tmp_path / "termination-log"
    install.mkdir()

    def run(
        box: Sandbox, *, around: str = '"$@"', tool: Path = tool, config: dict[str, Any] | None = None, **env: str
    ) -> tuple[int, dict[str, Any], str]:
        log.write_text("")
        script = (
            f"log={log.parent}/mounts; cat /proc/self/mountinfo >$log.before; {around}; status=$?; "
            "cat /proc/self/mountinfo >$log.after; exit $status"
        )
        command: list[str | Path] = [tool / "cgroups-mount", "preflight", "--install", install]
        before = box.children()
        done = box.run(
            "sh", "-c", script, "sh", *command, env={"DIND_TERMINATION_LOG": str(log)} | told(**(config or {})) | env
        )
        assert (tmp_path / "mounts.after").read_text() == (tmp_path / "mounts.before").read_text()
        assert box.children() == before
        assert [path.name for path in box.volume.iterdir() if path.name.startswith(".dind")] == []
        assert log.stat().st_size <= 4096
        report = json.loads(log.read_text())
        check_shape(report)
        assert done.stdout == ""
        return done.returncode, report, done.stderr

    return run

"""Tools are built with the Go compiler, once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.progress import ClusterError
from tests.cluster.tools import TOOLS, Tool


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Go's own caches stay where they are.
    for name in ("GOCACHE", "GOMODCACHE"):
        value = subprocess.run(["go", "env", name], check=True, capture_output=True, text=True).stdout.strip()
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dind-operator" / "tools"


def small_tool(folder: Path, source: str) -> Tool:
    folder.mkdir()
    (folder / "go.mod").write_text("module small\n\ngo 1.21\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(source)
    return Tool("small", "1", 5, folder=folder)


def test_a_tool_is_built_once(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_tool(tmp_path / "small", 'package main\n\nfunc main() { println("built") }\n')
    monkeypatch.setitem(TOOLS, "small", small)
    program = tools.tool("small")
    assert program.is_relative_to(own_cache)
    assert subprocess.run([str(program)], check=True, capture_output=True, text=True).stderr == "built\n"
    first = program.stat()
    # A second build would replace the file.
    assert tools.tool("small").stat().st_ino == first.st_ino
    assert [path.name for path in own_cache.iterdir()] == [program.parent.name]


def test_a_failed_build_shows_the_compilers_words_and_leaves_nothing(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOOLS, "small", small_tool(tmp_path / "small", "package main\n\nfunc main() { undefined() }\n"))
    with pytest.raises(ClusterError, match="undefined: undefined"):
        tools.tool("small")
    assert list(own_cache.iterdir()) == []

"""Tools are cached by all they are made from."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.components import KUBERNETES_VERSION
from tests.cluster.progress import ClusterError
from tests.cluster.tools import TOOLS, Tool

KUBENODE = TOOLS["kubenode"]
HELM = TOOLS["helm3"]


@pytest.mark.parametrize("change", [{"version": "3.22.1"}, {"package": "helm.sh/helm/v3/cmd/other"}, {"ldflags": ""}])
def test_any_change_of_inputs_is_another_folder(change: dict[str, str]) -> None:
    assert dataclasses.replace(HELM, **change).path.parent != HELM.path.parent  # type: ignore[arg-type]
    assert dataclasses.replace(HELM).path == HELM.path


@pytest.mark.parametrize(
    ("text", "expected"), [("go1.26.8\n", (1, 26)), ("go1.24rc1", (1, 24)), ("devel +1234", (0, 0)), ("", (0, 0))]
)
def test_the_release_of_go_is_read(text: str, expected: tuple[int, int]) -> None:
    assert tools.go_release(text) == expected


@pytest.mark.parametrize("version", ["go1.19.8", None])
def test_a_go_that_cannot_build_it_is_told_first(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version is not None:
        (tmp_path / "go").write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ClusterError, match=r"helm3 3\.22\.0 has to be built, which needs Go 1\.24 or later"):
        tools.check_go("helm3 3.22.0")
    # With a Go that can, it says nothing.
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.24.1\n")
    (tmp_path / "go").chmod(0o755)
    tools.check_go("helm3 3.22.0")


def test_how_long_a_build_takes_is_no_input() -> None:
    assert dataclasses.replace(HELM, usual=1).key() == HELM.key()


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_a_changed_source_is_another_key(name: str, tmp_path: Path) -> None:
    assert KUBENODE.folder is not None
    copy = dataclasses.replace(KUBENODE, folder=shutil.copytree(KUBENODE.folder, tmp_path / "kubenode"))
    assert copy.key() == KUBENODE.key()
    with (tmp_path / "kubenode" / name).open("a") as file:
        file.write("\n// changed\n")
    assert copy.key() != KUBENODE.key()


def test_the_sources_are_of_the_version_they_say() -> None:
    assert KUBENODE.folder is not None
    modules = (KUBENODE.folder / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{KUBERNETES_VERSION}\n" in modules
    assert f"k8s.io/client-go => k8s.io/client-go v0.{KUBERNETES_VERSION.removeprefix('1.')}\n" in modules


def test_an_unknown_tool_is_named_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match=r"'helm5'.*coredns, helm3, helm4, kubectl, kubenode"):
        tools.tool("helm5")


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

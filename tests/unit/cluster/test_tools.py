"""Tools are cached by all they are made from."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.components import KUBERNETES_VERSION
from tests.cluster.progress import ClusterError
from tests.cluster.tools import TOOLS

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
    with pytest.raises(ClusterError, match=r"'helm5'.*coredns, govulncheck, helm3, helm4, kubectl, kubenode"):
        tools.tool("helm5")

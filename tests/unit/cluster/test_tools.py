"""Tools are cached by all they are made from."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from tests.cluster import tools, versions
from tests.cluster.progress import ClusterError
from tests.cluster.tools import TOOLS

KUBENODE = TOOLS["kubenode"]
HELM = TOOLS["helm3"]


@pytest.mark.parametrize("change", [{"version": "3.22.1"}, {"packages": ("helm.sh/helm/v3/cmd/other",)}, {"tags": "x"}])
def test_any_change_of_inputs_is_another_folder(change: dict[str, object]) -> None:
    assert dataclasses.replace(HELM, **change).path.parent != HELM.path.parent  # type: ignore[arg-type]
    assert dataclasses.replace(HELM).path == HELM.path


@pytest.mark.parametrize(
    ("text", "expected"), [("go1.26.8\n", (1, 26)), ("go1.24rc1", (1, 24)), ("devel +1234", (0, 0)), ("", (0, 0))]
)
def test_the_release_of_go_is_read(text: str, expected: tuple[int, int]) -> None:
    assert tools.go_release(text) == expected


@pytest.mark.parametrize("version", ["go1.25.9", None])
def test_a_go_that_cannot_build_it_is_told_first(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version is not None:
        (tmp_path / "go").write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ClusterError, match=r"helm3 3\.22\.0 has to be built, which needs Go 1\.26 or later"):
        tools.check_go("helm3 3.22.0")
    # With a Go that can, it says nothing.
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.26.1\n")
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


@pytest.mark.parametrize("version", [versions.KUBERNETES, *versions.OLDER_KUBERNETES])
def test_the_sources_are_of_the_version_they_say(version: str) -> None:
    tool = tools.kubenode(version)
    modules, sums, _ = tool.sources()
    assert tool.version == version
    assert f"k8s.io/kubernetes v{version}\n" in modules.read_text()
    assert f"k8s.io/client-go => k8s.io/client-go v0.{version.removeprefix('1.')}\n" in modules.read_text()
    assert f"k8s.io/kubernetes v{version} h1:" in sums.read_text()


def test_every_modfile_is_of_a_known_release() -> None:
    assert KUBENODE.folder is not None
    files = {file.name for pattern in ("*.mod", "*.sum") for file in KUBENODE.folder.glob(pattern)}
    expected = {f"{version}.{kind}" for version in versions.OLDER_KUBERNETES for kind in ("mod", "sum")}
    assert files == expected | {"go.mod", "go.sum"}


def test_a_release_that_cannot_be_built_is_named_with_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CHOSEN", "1.12.0")
    with pytest.raises(
        ClusterError, match=rf"DIND_KUBERNETES_VERSION=1\.12\.0 .* choose one of {versions.KUBERNETES}, "
    ):
        tools.tool("helm3")


def test_a_library_of_the_machine_is_part_of_what_is_linked_with_it(tmp_path: Path) -> None:
    archive = tmp_path / "libseccomp.a"
    runc = dataclasses.replace(TOOLS["runc"], archives=(archive,))
    absent = runc.key()
    archive.write_bytes(b"1")
    first = runc.key()
    archive.write_bytes(b"2")
    assert len({absent, first, runc.key()}) == 3


_FAKE_GO = """#!/bin/sh
case $1 in
env) echo go1.26.8 ;;
mod) echo '{answer}' ;;
build) pwd >"{record}"; for word; do case $word in */) touch "$word/buildkitd" ;; esac; done ;;
esac
"""


def test_a_module_that_go_install_refuses_is_built_in_its_own_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sources := tmp_path / "sources").mkdir()
    (programs := tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def go(answer: dict[str, str]) -> None:
        (programs / "go").write_text(_FAKE_GO.format(answer=json.dumps(answer), record=tmp_path / "place"))
        (programs / "go").chmod(0o755)

    go({"Error": "403 Forbidden"})
    with pytest.raises(ClusterError, match=r"Building buildkitd .* failed: 403 Forbidden\nThe Go module proxy"):
        tools.tool("buildkitd")
    go({"Dir": str(sources)})
    assert tools.tool("buildkitd").exists()
    assert (tmp_path / "place").read_text().strip() == str(sources)


def test_an_unknown_tool_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ClusterError, match=r"'helm5'.*containerd, coredns, govulncheck, helm3, helm4, kubectl, kubenode"
    ):
        tools.tool("helm5")

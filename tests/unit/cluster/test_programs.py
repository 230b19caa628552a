"""The daemon image's programs: one recipe, versions in one place, and a cache that notices a change of either."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cluster import dockerfile, programs
from tests.cluster.progress import ClusterError

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "image/daemon"
# A script that makes what the real one is asked for, without a compiler, and counts how often.
STUB = """#!/bin/sh
echo "$2" >>"$(dirname "$0")/../../built"
mkdir -p "$1/bin" "$1/cli-plugins"
echo "$2" >"$1/bin/$2"
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the real versions and the stub, and a cache of its own."""
    monkeypatch.setattr(programs, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setattr(programs.tools, "check_go", lambda what: None)
    (folder := tmp_path / "image/daemon").mkdir(parents=True)
    (tmp_path / "cache/locks").mkdir(parents=True)
    shutil.copy(FOLDER / "versions", folder)
    (folder / "build").write_text(STUB)
    (folder / "build").chmod(0o755)
    return tmp_path


def built(checkout: Path) -> list[str]:
    return (checkout / "built").read_text().split()


def test_the_script_knows_the_same_projects_and_every_version_is_used() -> None:
    text = (FOLDER / "build").read_text()
    assert set(re.findall(r"^build_(\w+)\(\)", text, re.MULTILINE)) == set(programs.PROJECTS)
    told = programs.versions(ROOT)
    del told["VULNDB"]
    assert set(re.findall(r"\$([A-Z_]+)\b", text)) & set(told) == set(told)
    assert {"GO", "DOCKER", *(line for line, _ in programs.PROJECTS.values())} == set(told)


def test_a_project_that_is_not_there_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    command = [str(FOLDER / "build"), str(tmp_path), "podman"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "There is no project 'podman' to build" in done.stderr


def test_the_dockerfile_runs_the_script_in_the_stage_that_a_context_replaces() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert dockerfile.stages(text)[programs.STAGE].sources == ["image/daemon/build", "image/daemon/versions"]
    (daemon,) = [stage for stage in dockerfile.closure(text, "daemon") if stage.name == "daemon"]
    copies = [line for line in daemon.text if f"--from={programs.STAGE}" in line]
    assert [line.split()[2] for line in copies] == [f"/{programs.STAGE}/bin/", f"/{programs.STAGE}/cli-plugins/"]


def test_the_dockerfile_builds_the_program_of_the_pod_in_the_stage_that_a_context_replaces() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stage = dockerfile.stages(text)[programs.NODE_STAGE]
    assert stage.sources == ["image/daemon/versions", "node"]
    assert any("sh /src/node/build /dind-node" in line for line in stage.text)
    for target in ("node-tool", "daemon"):
        copies = [line for each in dockerfile.closure(text, target) for line in each.text if "--from=node " in line]
        assert [line.split()[2] for line in copies] == ["/dind-node"]


def test_the_program_of_the_pod_is_built_again_when_a_source_changes_and_not_for_a_test(checkout: Path) -> None:
    (folder := checkout / "node/internal/x").mkdir(parents=True)
    (script := checkout / "node/build").write_text('#!/bin/sh\necho node >>"$(dirname "$0")/../built"\necho x >"$1"\n')
    script.chmod(0o755)
    (folder / "x.go").write_text("package x")
    first = programs.node(checkout)
    assert (first / "dind-node").read_text() == "x\n"
    (folder / "x_test.go").write_text("package x")
    assert programs.node(checkout) == first
    (folder / "x.go").write_text("package x // changed")
    assert programs.node(checkout) != first
    assert built(checkout) == ["node", "node"]


def test_all_are_built_once_and_gathered_as_the_stage_has_them(checkout: Path) -> None:
    for name in ("one", "two"):
        programs.gather(checkout, checkout / name)
        assert {file.name for file in (checkout / name / "programs/bin").iterdir()} == set(programs.PROJECTS)
        assert (checkout / name / "programs/cli-plugins").is_dir()
    assert built(checkout) == list(programs.PROJECTS)


@pytest.mark.parametrize(
    ("line", "again"),
    [("RUNC", ["runc"]), ("DOCKER", ["moby"]), ("GO", list(programs.PROJECTS))],
)
def test_a_version_that_is_raised_builds_what_has_it_beside_the_old(
    checkout: Path, line: str, again: list[str]
) -> None:
    before = {project: programs.folder(project, checkout) for project in programs.PROJECTS}
    (checkout / "built").unlink()
    file = checkout / "image/daemon/versions"
    file.write_text(re.sub(rf"^{line}=.*$", f"{line}=99.0.0", file.read_text(), flags=re.MULTILINE))
    after = {project: programs.folder(project, checkout) for project in programs.PROJECTS}
    assert built(checkout) == again
    assert [project for project in programs.PROJECTS if before[project] != after[project]] == again
    assert all(folder.exists() for folder in before.values())


def test_a_build_that_fails_says_why_and_leaves_nothing(checkout: Path) -> None:
    (checkout / "image/daemon/build").write_text("#!/bin/sh\necho no such module; exit 1\n")
    with pytest.raises(ClusterError, match="no such module"):
        programs.folder("runc", checkout)
    assert list((checkout / "cache/programs").iterdir()) == []

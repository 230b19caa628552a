"""The scripts, the Dockerfile and the project agree on files and versions."""

from __future__ import annotations

import tomllib

from tests.sandbox import IMAGE

TOOL = [IMAGE / "entrypoint", IMAGE / "cgroups-mount"]
SCRIPTS = [*TOOL, *sorted(IMAGE.glob("*.sh"))]


def test_the_version_in_the_report_is_the_projects() -> None:
    project = tomllib.loads((IMAGE.parent / "pyproject.toml").read_text())["project"]["version"]
    assert f"DIND_TOOL_VERSION={project}\n" in (IMAGE / "lib.sh").read_text()
    assert (IMAGE.parent / "Dockerfile").read_text().count(f"ARG VERSION={project}\n") == 4


def test_every_file_of_the_tool_is_copied_into_the_image_and_installed() -> None:
    dockerfile = (IMAGE.parent / "Dockerfile").read_text()
    preflight = (IMAGE / "preflight.sh").read_text()
    installed = preflight.split("tool_files='")[1].split("'")[0].split()
    assert sorted(installed) == sorted([path.name for path in SCRIPTS] + ["dind-node"])
    for path in SCRIPTS:
        assert f"image/{path.name} " in dockerfile

"""The program, the Dockerfile and the project agree on the version."""

from __future__ import annotations

import tomllib

from tests.sandbox import IMAGE

ROOT = IMAGE.parent


def test_the_version_in_the_report_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'Release = "{project}"\n' in (ROOT / "node/internal/security/security.go").read_text()
    assert (ROOT / "Dockerfile").read_text().count(f"ARG VERSION={project}\n") == 4

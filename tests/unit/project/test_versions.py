"""The page of versions says what the tests pin: a version that is raised in one place only is found here."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cluster import base_image, docker_releases, programs, versions
from tests.cluster.tools import TOOLS
from tests.cluster.vm import image as vm_image
from tests.matrix.page import by_hand

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "dind-operator"
# The table of `make matrix` has the versions of the day of each run.
PAGE = by_hand((ROOT / "docs" / "versions.md").read_text())


def rows(heading: str) -> dict[str, list[str]]:
    """The table below a heading: the cells of each row by its first one. Rows of one name add up."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found: dict[str, list[str]] = {}
    for line in part.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            first, *others = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(first, []).extend(others)
    return found


def test_kubernetes_is_that_of_the_cluster() -> None:
    assert rows("The nodes")["Kubernetes"] == [versions.KUBERNETES] * 2
    assert set(re.findall(r"Kubernetes (\d+\.\d+\.\d+)", PAGE)) == {versions.KUBERNETES}
    minor = versions.KUBERNETES.rpartition(".")[0]
    assert f"tested on {minor}" in (ROOT / "README.md").read_text()


def test_the_programs_of_the_nodes_are_those_that_are_built_and_the_system_is_the_suite_it_is_made_from() -> None:
    nodes = rows("The nodes")
    assert nodes["system"][1] == f"Debian {vm_image.SUITE}"
    assert nodes["containerd"] == [versions.CONTAINERD] * 2
    assert nodes["runc"] == [versions.RUNC] * 2


def test_every_page_names_the_supported_releases_of_kubernetes() -> None:
    oldest, newest = versions.SUPPORTED_KUBERNETES[-1], versions.SUPPORTED_KUBERNETES[0]
    supported = f"supports Kubernetes {oldest} to {newest}"
    assert supported in PAGE
    assert supported in (CHART / "README.md").read_text()
    assert supported in (CHART / "templates" / "NOTES.txt").read_text()
    assert f'kubeVersion: ">={oldest}.0-0"' in (CHART / "Chart.yaml").read_text()


def test_every_release_of_docker_that_is_started_in_a_test_is_in_the_table_and_no_other() -> None:
    told = {row.split()[0] for row in rows("Docker in an environment") if row != "Docker"}
    assert told == {docker_releases.OWN, *docker_releases.OTHERS}
    images = {row.split()[0]: cells[0] for row, cells in rows("Docker in an environment").items()}
    assert f"Debian {base_image.SUITE}" in images[docker_releases.OWN]
    starts = (ROOT / "tests/cluster/releases/Dockerfile").read_text()
    for suite, release in re.findall(r"^FROM debian:(\w+)-slim AS docker-([\d.]+)$", starts, re.MULTILINE):
        assert f"Debian {suite}" in images[release]


def test_the_programs_of_the_image_daemon_are_in_the_versions_of_the_one_file() -> None:
    told = programs.versions(ROOT)
    own = f"| {docker_releases.OWN} ({told['DOCKER']}) |"
    (image, busybox) = [line for line in PAGE.splitlines() if line.startswith(own)]
    for line in (image, busybox):
        assert f"| {told['CONTAINERD']}, {told['RUNC']} |" in line
    clients = f"Docker CLI is {told['DOCKER_CLI']}, buildx {told['BUILDX']} and Docker Compose {told['COMPOSE']}"
    assert clients in " ".join(PAGE.split())


def test_readme_and_page_name_the_same_releases() -> None:
    releases = sorted([docker_releases.OWN, *docker_releases.OTHERS])
    assert f"Docker {', '.join(releases[:-1])} and {releases[-1]}" in (ROOT / "README.md").read_text()


def test_the_tools_are_those_that_are_built() -> None:
    rest = rows("Everything else")
    assert rest["Helm"] == [f"{TOOLS['helm3'].version} and {TOOLS['helm4'].version}"]
    assert rest["CoreDNS"] == [TOOLS["coredns"].version]

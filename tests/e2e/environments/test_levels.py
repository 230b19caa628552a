"""Docker in Docker in Docker on the first node, whose kernel keeps a capability back: with flags by name, and plain."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests import levels
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments
from tests.environment import Environment
from tests.levels import LISTED, second_level
from tests.live import Cluster
from tests.node_view import NodeView

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "docker-in-docker-in-docker.md"
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PUBLISHED = "registry.example.com/dind/daemon:0.1.0"

WAYS = pytest.mark.parametrize("way", [LISTED, ("--privileged",)], ids=["listed", "privileged"])


@pytest.fixture(scope="module")
def first(kube: Cluster, namespace: str) -> Iterator[Environment]:
    """The first level."""
    made = Environment(kube, namespace, "levels").apply(levels.SPEC).ready()
    levels.prepare(made)
    yield made
    made.delete()


@WAYS
def test_each_level_lies_in_the_one_above_and_in_the_pods_limit(
    first: Environment, node: NodeView, way: tuple[str, ...]
) -> None:
    with second_level(first, *way) as inner:
        levels.run_build_and_network_work(inner)
        levels.groups_lie_in_each_other(first, inner, node)
        levels.the_pods_limit_holds(first, inner, node)
    # The image's anonymous volume went with its container.
    assert first.docker("volume", "ls", "--quiet") == ""


@WAYS
def test_a_limit_of_the_second_level_has_a_reserve_too(
    first: Environment, node: NodeView, way: tuple[str, ...]
) -> None:
    with second_level(first, *way, *levels.LIMITED) as inner:
        levels.the_second_levels_limit_holds(first, inner, node)


def ends(environment: Environment, *options: str) -> str:
    """What the daemon's image says before it ends, started so that it must."""
    done = environment.attempt("docker", "run", "--rm", *options, levels.DAEMON_IMAGE)
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("--cap-add=SYS_ADMIN", ["it needs CAP_SYS_ADMIN", "start it with --privileged, or with the flags that"]),
        ("--cap-add=NET_ADMIN", ["lacks the capability NET_ADMIN", "Start it with --privileged, or with --cap-add"]),
    ],
)
def test_a_missing_capability_is_named_with_the_remedy(first: Environment, missing: str, said: list[str]) -> None:
    words = ends(first, *[flag for flag in LISTED if flag != missing])
    for text in said:
        assert text in words
    assert "security.mode" not in words
    with second_level(first, *LISTED):
        pass


def third(first: Environment, flags: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    """A container of the third level under a second that was started with `flags`."""
    with second_level(first, *flags) as inner:
        return inner.attempt("docker", "run", "--rm", *options, BUSYBOX_IMAGE, "echo", "third")


def test_under_dockers_seccomp_filter_no_container_of_the_third_level_starts(first: Environment) -> None:
    without = third(first, [flag for flag in LISTED if "seccomp" not in flag])
    assert without.returncode != 0
    assert "session keyring" in without.stderr
    assert third(first, LISTED).stdout == "third\n"


def test_without_the_rule_for_devices_the_third_level_can_have_no_privileged_container_on_version_1(
    first: Environment, node: NodeView
) -> None:
    without = third(first, [flag for flag in LISTED if "device" not in flag], "--privileged")
    if len(node.hierarchies()) > 1:
        assert without.returncode != 0
        assert "devices.allow: operation not permitted" in without.stderr
    else:
        # Version 2 asks at each access instead.
        assert without.stdout == "third\n"
    assert third(first, LISTED, "--privileged").stdout == "third\n"


def test_a_reserve_is_held_back_from_the_environments_limit_without_a_limit_of_its_own(first: Environment) -> None:
    with second_level(first, *LISTED, f'--env=DIND_NODE_CONFIG={{"reserveBytes":{64 * levels.MIB}}}') as inner:
        # 1 GiB without the reserves of the environment and of the second level.
        found = inner.run(
            "sh", "-c", "cd /sys/fs/cgroup; cat docker/memory.max || cat memory/docker/memory.limit_in_bytes"
        )
        assert int(found) == (1024 - 384 - 64) * levels.MIB


def test_the_page_can_be_followed_by_copy_and_paste(
    kube: Cluster, namespace: str, environments: Environments, tmp_path: Path
) -> None:
    """Its commands in their order. Only what is yours in them is another's here: the namespace and where images come from."""
    environment = environments("three-levels")
    apply, second, third, listed = FENCE.findall(PAGE.read_text())

    def follow(commands: str) -> str:
        for theirs, ours in (
            ("-n builds", f"-n {namespace}"),
            (PUBLISHED, levels.DAEMON_IMAGE),
            ("alpine", BUSYBOX_IMAGE),
        ):
            commands = commands.replace(theirs, ours)
        shell = ["bash", "-euo", "pipefail", "-c", commands]
        variables = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kube.kubeconfig), "HOME": str(tmp_path)}
        done = subprocess.run(shell, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    follow(apply)
    levels.prepare(environment)
    follow(second)
    environment.docker("exec", "--interactive", "inner", "docker", "load", stdin=images.nested_busybox_tar())
    assert follow(third) == "third level"
    follow(listed)
    wait = "until docker exec listed docker info >/dev/null 2>&1; do sleep 1; done"
    environment.run("sh", "-c", wait)

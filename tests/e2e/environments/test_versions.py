"""Other releases of Docker than the project's own image has, on the first node (cgroup version 1).

`make matrix` runs these; all other tests run with the project's own image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import levels, versions
from tests.cluster import docker_releases, images, store
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import READY_SECONDS, Environment
from tests.live import Cluster
from tests.matrix.junit import VERSION_PROPERTY
from tests.node_view import NodeView

# An image that is not there yet is made first: two minutes each, once.
pytestmark = [pytest.mark.timeout(900), pytest.mark.matrix]


@pytest.fixture(scope="module", params=[*docker_releases.OTHERS, docker_releases.OWN])
def release(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    store.import_images(Instance.from_environment(), [docker_releases.image(name)])
    return name


@pytest.fixture(scope="module")
def environment(release: str, kube: Cluster, namespace: str) -> Iterator[Environment]:
    made = Environment(kube, namespace, f"docker-{release.replace('.', '-')}").apply(versions.spec(release)).ready()
    yield made
    made.delete()


def test_the_release_works(
    environment: Environment,
    release: str,
    node: NodeView,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property(f"{VERSION_PROPERTY}Docker", versions.status_tells(environment, release))
    versions.isolation_is_verified(environment)
    versions.run_and_build_work(environment, tmp_path)
    versions.nested_containers_are_the_pods(environment, node)
    versions.limits_hold(environment)
    versions.sleeps_and_wakes(environment, READY_SECONDS)
    versions.status_tells(environment, release)


def test_networks_fit_what_is_around(environment: Environment, release: str) -> None:
    """MTU and IPv6 as far as the release can; what it cannot is told."""
    versions.networks_fit(environment, release, READY_SECONDS)


def test_a_bad_key_is_reported(environment: Environment, release: str) -> None:
    versions.a_bad_key_is_reported(environment, release, READY_SECONDS)


def test_what_privileged_asks_for(environment: Environment, release: str) -> None:
    """On a node that keeps a capability back, Docker before 23 asks for it all the same; by name it can be left out."""
    environment.docker("load", stdin=images.nested_busybox_tar())
    mount = (BUSYBOX_IMAGE, "mount", "-t", "tmpfs", "t", "/mnt")
    environment.docker("run", "--rm", *levels.LISTED, *mount)
    held = int(environment.run("sed", "-n", "s/^CapBnd:\\t//p", "/proc/self/status"), 16)
    last = int(environment.run("cat", "/proc/sys/kernel/cap_last_cap"))
    whole = held == (1 << last + 1) - 1
    done = environment.attempt("docker", "run", "--rm", "--privileged", *mount)
    assert (done.returncode == 0) is (whole or release != "20.10"), done.stderr
    assert done.returncode == 0 or "operation not permitted" in done.stderr

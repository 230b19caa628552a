"""Another release of Docker on cgroup version 2. All other tests of this node run the project's own; the first node runs the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests import versions
from tests.cluster import docker_releases, store
from tests.cluster.vm.containerd import GuestContainerd
from tests.environment import Environment
from tests.node_view import NodeView
from tests.vm.patience import PATIENCE, START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(2400), pytest.mark.thorough]


@pytest.mark.parametrize("release", ["28.5"])
def test_the_release_works(
    vm: Vm, vm_environments: Callable[[str], Environment], vm_node: NodeView, release: str, tmp_path: Path
) -> None:
    store.import_images(vm.instance, [docker_releases.image(release)], GuestContainerd(vm.instance))
    environment = vm_environments("docker-next").apply(versions.spec(release)).ready(START_SECONDS)
    versions.status_tells(environment, release, PATIENCE)
    versions.isolation_is_verified(environment, PATIENCE)
    versions.run_and_build_work(environment, tmp_path, PATIENCE)
    versions.nested_containers_are_the_pods(environment, vm_node, PATIENCE)
    versions.limits_hold(environment, PATIENCE)
    versions.sleeps_and_wakes(environment, START_SECONDS)
    versions.a_bad_key_is_reported(environment, release, START_SECONDS)

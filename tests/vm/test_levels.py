"""Docker in Docker in Docker on the virtual node: cgroup version 2, and a kernel that gives `--privileged` all it asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests import levels
from tests.environment import Environment
from tests.levels import second_level
from tests.node_view import NodeView
from tests.vm.patience import PATIENCE, START_SECONDS

pytestmark = [pytest.mark.timeout(2400), pytest.mark.thorough]


def test_three_levels_inside_the_pods_limit(vm_environments: Callable[[str], Environment], vm_node: NodeView) -> None:
    first = vm_environments("levels").apply(levels.SPEC).ready(START_SECONDS)
    levels.prepare_inside(first, PATIENCE)
    with second_level(first, "--privileged", patience=PATIENCE) as inner:
        levels.run_build_and_network_work(inner)
        levels.groups_lie_in_each_other(first, inner, vm_node)
        levels.the_pods_limit_holds(first, inner, vm_node)
    with second_level(first, "--privileged", *levels.LIMITED, patience=PATIENCE) as inner:
        levels.the_second_levels_limit_holds(first, inner, vm_node)
    assert first.docker("volume", "ls", "--quiet", timeout=300) == ""

"""The virtual node's life beside the first node's, on an instance of its own: none of these waits for a whole boot."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from tests import own_machine
from tests.cluster import lifecycle, node, status, teardown
from tests.cluster.instance import Instance
from tests.cluster.process import wait_until
from tests.cluster.vm import lifecycle as vm
from tests.cluster.vm import link

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

INSTANCE = Instance("vmlife")


@pytest.fixture(scope="module", autouse=True)
def _nothing_before_and_after() -> Iterator[None]:
    teardown.down(INSTANCE)
    yield
    teardown.down(INSTANCE)


@pytest.fixture
def cluster() -> Instance:
    """The cluster with its virtual node, whatever the test before left of it."""
    lifecycle.up(INSTANCE, with_vm=True)
    return INSTANCE


def kill_qemu() -> None:
    found = vm.running(INSTANCE)
    assert found is not None
    assert found.send(signal.SIGKILL)
    assert wait_until(lambda: vm.running(INSTANCE) is None, 10)


def test_down_leaves_a_machine_as_it_was() -> None:
    views = own_machine.trial(with_vm=True)
    before, during, after = (views[when] for when in ("before", "during", "after"))
    assert any("qemu" in process for process in during["processes"])
    assert any(Instance(own_machine.INSTANCE).vm_link_network in route for route in during["routes"])
    left = {what: (before[what], after[what]) for what in before if after[what] != before[what]}
    assert left == {}


def test_up_twice_changes_nothing_and_leaves_the_guest_alone(cluster: Instance) -> None:
    found = vm.running(cluster)
    assert found is not None
    lifecycle.up(cluster, with_vm=True)
    assert vm.running(cluster) == found
    # Not asked for again, it is still of this cluster.
    lifecycle.up(cluster)
    assert vm.running(cluster) == found


def test_a_guest_that_died_is_told_and_started_again_with_its_disk(cluster: Instance) -> None:
    disk = (cluster.vm / "root.img").stat().st_ino
    kill_qemu()
    whole, text = status.describe(cluster)
    assert not whole
    assert f"virtual node {cluster.vm_node_name}: not running; `make cluster` starts it" in text
    lifecycle.up(cluster)
    assert vm.running(cluster) is not None
    assert (cluster.vm / "root.img").stat().st_ino == disk


def test_a_start_that_was_cut_off_is_gone_on_with(cluster: Instance) -> None:
    kill_qemu()
    for name in ("programs.tar", "configuration.tar", "key.pub"):
        (cluster.vm / name).unlink()
    (cluster.vm / "root.img.new").write_bytes(b"half")
    lifecycle.up(cluster, with_vm=True)
    assert vm.running(cluster) is not None


def test_a_guest_of_another_configuration_is_replaced(cluster: Instance) -> None:
    found = vm.running(cluster)
    (cluster.vm / "made-of").write_text("of another checkout")
    assert "of another configuration" in status.describe(cluster)[1]
    lifecycle.up(cluster, with_vm=True)
    assert vm.running(cluster) not in (None, found)


def test_the_first_nodes_end_is_its_end_and_a_start_brings_both_back(cluster: Instance) -> None:
    found = vm.running(cluster)
    assert found is not None
    lifecycle.reboot(cluster)
    assert not found.alive()
    assert vm.running(cluster) is not None
    init = node.find_init(cluster)
    assert init is not None
    assert f"{link.TAP}: " in node.run(init, ["ip", "link"])


def test_down_leaves_nothing(cluster: Instance) -> None:
    found = vm.running(cluster)
    assert found is not None
    teardown.down(cluster)
    assert not found.alive()
    assert teardown.leftovers(cluster) == []

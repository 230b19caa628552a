"""What is the node's and not the pod's, and what becomes of it (docs/differences.md)."""

from __future__ import annotations

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import eventually
from tests.node_view import NodeView

# One more than the nodes that containers of most machines start with, and some.
DEVICES = 11


def test_loop_devices_can_be_had_and_are_detached_with_the_environment(
    environments: Environments, node: NodeView
) -> None:
    """Their files are on a volume and in a container's own layer; both containers are gone long before the environment."""
    environment = environments("loops").apply({}).ready()
    load_images(environment)
    mark = environment.pod_uid()

    def attached() -> list[str]:
        return node.run(f"grep -h {mark} /sys/block/loop*/loop/backing_file 2>/dev/null || true").splitlines()

    nested = ("docker", "run", "--rm", "--privileged", f"--volume=disks:/{mark}", BUSYBOX_IMAGE, "sh", "-euc")
    attach = "disk={}; truncate -s 1M $disk; losetup -f $disk"
    environment.run(*nested, f"for n in $(seq {DEVICES - 1}); do {attach.format(f'/{mark}/$n')}; done")
    environment.run(*nested, f"mkdir /own-{mark}; {attach.format(f'/own-{mark}/disk')}")
    assert len(attached()) == DEVICES
    # What is detached by its user is.
    environment.run(*nested, f"losetup -d $(losetup | sed -n 's|: .*/{mark}/1$||p')")
    assert len(attached()) == DEVICES - 1
    environment.delete()
    eventually(lambda: not attached(), "no device stays attached", 120)

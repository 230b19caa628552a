"""Control groups of an environment on the virtual node, each seen from the node's side."""

from __future__ import annotations

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment
from tests.node_view import NodeView, container_id


def own_group(environment: Environment, node: NodeView) -> str:
    """The node's folder of the daemon's container."""
    found = node.groups(f"*{container_id(environment.daemon_status())}*")
    return min((group for group in found if "pod" in group), key=len)


def read(node: NodeView, group: str, *files: str) -> list[str]:
    """The lines of files of a group."""
    return node.run(f"cd {group}; cat {' '.join(files)}").splitlines()


def detached(environment: Environment, *command: str, options: tuple[str, ...] = ()) -> str:
    """A nested container that runs on; its id."""
    return environment.docker("run", "--detach", "--rm", *options, BUSYBOX_IMAGE, *command, timeout=300)

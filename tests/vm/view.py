"""The virtual node looked at from its own side, as root on it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster.instance import Instance
from tests.cluster.vm import lifecycle, shell
from tests.node_view import NodeView


@dataclass(frozen=True)
class Vm:
    """The virtual node, from its own side."""

    instance: Instance

    @property
    def name(self) -> str:
        return self.instance.vm_node_name

    def run(self, script: str, *, seconds: float = 120) -> str:
        """What a shell script printed on the node. Raises ClusterError with its words when it failed."""
        return shell.output(self.instance, ["sh", "-euc", script], timeout=seconds).strip()

    def fails(self, script: str) -> str:
        """What a script that has to fail complained about."""
        done = shell.run(self.instance, ["sh", "-euc", script])
        assert done.returncode not in (0, shell.NO_CONNECTION), f"`{script}` succeeded: {done.stdout}"
        return done.stderr.strip()

    def reboot(self) -> None:
        """Takes the node's power away, and returns when it is Ready again."""
        lifecycle.reboot(self.instance)

    def process(self, container_id: str) -> str:
        """The node's id of a container's first process."""
        return self.run(f"ctr -n k8s.io tasks list | awk '$1 == \"{container_id}\" {{print $2}}'")


@dataclass(frozen=True)
class GuestView(NodeView):
    """A shell on the node by ssh: a pod to look from takes ten seconds to start, and each look through it one or two."""

    vm: Vm

    def run(self, script: str) -> str:
        return shell.output(self.vm.instance, ["sh", "-c", script]).strip()

    def here(self, script: str) -> str:
        """With busybox's programs before the node's own."""
        return shell.output(self.vm.instance, ["busybox", "sh", "-c", script]).strip()

    def hierarchies(self) -> set[str]:
        """It has one; `test_node.py` looks."""
        return {"/sys/fs/cgroup"}

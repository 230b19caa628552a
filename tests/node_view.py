"""Inspects the node from outside the environment, through a privileged pod in the PID namespace of the node.

It works on every cluster that admits such a pod, without access to the machine below.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from tests.environment import Environment
from tests.live import Cluster, Object

NAME = "node-view"


def pod(namespace: str, image: str) -> Object:
    """The pod to look from. Its container is the host's in everything but its file system."""
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "86400"],
        "securityContext": {"privileged": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"hostPID": True, "hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]},
    }


@dataclass(frozen=True)
class NodeView:
    """A shell on the node."""

    cluster: Cluster
    namespace: str

    def run(self, script: str) -> str:
        """Runs a shell script in the namespaces of the node's first process and returns what it printed."""
        return self._execute("nsenter", "-t", "1", "-m", "-n", "-p", "--", "sh", "-c", script)

    def here(self, script: str) -> str:
        """Runs a script in the pod itself: in the node's network, with busybox's programs."""
        return self._execute("sh", "-c", script)

    def _execute(self, *command: str) -> str:
        done = self.cluster.api.execute(self.namespace, NAME, NAME, command)
        assert done.returncode == 0, f"{command[-1]}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def fetch(self, environment: Environment, port: int) -> str:
        """What a web server on a port of the environment's pod answers, or "" while it does not."""
        pod = environment.pod() or {}
        address = pod.get("status", {}).get("podIP", "")
        # Not wget's own limit: in Debian's static busybox that ends with a segmentation fault.
        return self.here(f"timeout 3 wget -q -O - http://{address}:{port}/ 2>/dev/null || true") if address else ""

    def hierarchies(self) -> set[str]:
        """The mount points of every cgroup hierarchy that has controllers, or of the one of version 2."""
        lines = self.run("grep -E ' - cgroup2? ' /proc/self/mountinfo").splitlines()
        version1, version2 = set(), set()
        for line in lines:
            before, _, after = line.partition(" - ")
            mount, kind, options = before.split()[4], after.split()[0], after.split()[2]
            if kind == "cgroup2":
                version2.add(mount)
            elif "name=" not in options:
                version1.add(mount)
        return version1 or version2

    def groups(self, name: str) -> list[str]:
        """Every cgroup folder of this name, in all hierarchies."""
        find = f"find {' '.join(sorted(self.hierarchies()))} -type d -name {shlex.quote(name)}"
        # Groups of others come and go: one that vanishes while it is looked into is no failure, all else is.
        others = "! grep -v ': No such file or directory$'"
        return self.run(f"{{ {find} 2>&1 1>&3 | {{ {others}; }} >&2; }} 3>&1").splitlines()

    def pod_groups(self, uid: str) -> list[str]:
        """The groups of a pod, under either cgroup driver's spelling."""
        return self.groups(f"*pod{uid}*") + self.groups(f"*pod{uid.replace('-', '_')}*")

    def mounts(self, text: str) -> list[str]:
        """The mounts of the node, and of every process on it, that name `text`."""
        script = f"cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -F {shlex.quote(text)} | sort -u || true"
        return self.run(script).splitlines()

    def processes(self, container_id: str) -> list[str]:
        """The processes in a container's own cgroup, as ids of the node. Nested ones are in groups below it."""
        found = [group for group in self.groups(f"*{container_id}*") if "/pod" in group or "-pod" in group]
        own = [group for group in found if group.rstrip("/").endswith((container_id, f"{container_id}.scope"))]
        scripts = " ".join(f"{group}/cgroup.procs {group}/init/cgroup.procs" for group in own[:1])
        return self.run(f"cat {scripts} 2>/dev/null || true").split() if own else []

    def first_process(self, container_id: str) -> str:
        """The node's id of a container's process 1."""
        for pid in self.processes(container_id):
            inner = self.run(f"grep ^NSpid: /proc/{pid}/status || true").split()
            if inner[-1:] == ["1"]:
                return pid
        raise AssertionError(f"the container {container_id} has no process 1 on this node")


def container_id(status: Object) -> str:
    """The id without the runtime's name, of a container's status."""
    return str(status["containerID"]).partition("://")[2]

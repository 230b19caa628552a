"""Starts and stops a cluster in separate namespaces for links, rules, mounts and processes, and reports what it leaves behind.

On the machine itself, other clusters and containers would change the result. `trial` creates the namespaces and runs this file in
them. It prints the state of the machine before, during and after.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.cluster import cgroups, kernel, lifecycle, node, nodes, own_images, store, teardown
from tests.cluster.instance import Instance
from tests.cluster.process import wait_until
from tests.cluster.readiness import kubectl
from tests.cluster.record import checkout

INSTANCE = "own"

# A new sysfs shows the new links; the cgroups are the machine's. Empty folders and no forwarding, as on a machine
# that never had a cluster, so that what one makes and changes shows.
_ENTER = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/cgroup
mount --rbind /sys/fs/cgroup /mnt/cgroup
mount -t sysfs sysfs /sys
mount --rbind /mnt/cgroup /sys/fs/cgroup
umount -l /mnt/cgroup
umount /mnt
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_forward
exec "$@"
"""

# A pod that grows out of its container in every way `down` has to follow: a mount, a child cgroup, an orphaned
# process in it, and a process in namespaces of its own.
_GROW = """
mkdir /mnt/x && mount -t tmpfs x /mnt/x
for g in /sys/fs/cgroup/*/; do mkdir "$g/nested" 2>/dev/null; done
setsid sleep 86400 &
echo 0 >/sys/fs/cgroup/pids/nested/cgroup.procs 2>/dev/null || echo 0 >/sys/fs/cgroup/nested/cgroup.procs
unshare -n -p -f sleep 86400 &
echo grown; exec sleep 86400
"""


def trial(*, with_vm: bool = False) -> dict[str, dict[str, Any]]:
    """before, during, after: how a machine of its own looked. With a virtual node too, which is not waited for."""
    # Not a test's own folder: the cluster's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="dind-") as cache:
        return _trial(Path(cache), "host,vm" if with_vm else "host")


def _trial(cache: Path, nodes_wanted: str) -> dict[str, dict[str, Any]]:
    real, own = Instance(INSTANCE).cache_root, cache / "dind-operator"
    own.mkdir()
    for shared in ("tools", "images"):
        (real / shared).mkdir(parents=True, exist_ok=True)
        (own / shared).symlink_to(real / shared)
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        done = subprocess.run(
            [*namespaces, "sh", "-euc", _ENTER, "enter", sys.executable, "-m", "tests.own_machine"],
            check=False,
            cwd=checkout(),
            env=os.environ | {"XDG_CACHE_HOME": str(cache), "NODES": nodes_wanted},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise AssertionError(f"the trial failed:\n{done.stderr}")
        result: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return result
    finally:
        # The groups are the only thing that its namespaces do not take with them, should it have been cut off.
        cgroups.empty(Instance(INSTANCE).cgroup)
        cgroups.remove(Instance(INSTANCE).cgroup)


def _output(*words: str) -> list[str]:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()


def _processes() -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
            # Ended, and waiting for this process, the first of the machine, to ask how: not for the cluster to remove.
            if words:
                found.append(words[:80])
    return sorted(found)


def snapshot(instance: Instance) -> dict[str, Any]:
    """All that a cluster could leave: of the cgroups its own, of everything else whatever there is."""
    tables = [line for tool in ("iptables-save", "ip6tables-save") for line in _output(tool)]
    return {
        "mounts": [line.split(" ", 4)[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()],
        "cgroups": [str(group) for group in cgroups.groups(instance.cgroup)],
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": _output("ip", "-4", "route", "show", "table", "all"),
        # The built-in tables and chains come into being with the first look at them.
        "rules": [line for line in tables if line.startswith("-A") or (line.startswith(":") and " - " in line)],
        "processes": _processes(),
        "namespaces": sorted(path.name for path in Path("/run/netns").glob("*")),
        "folders": sorted(str(path) for top in ("/run", "/var/lib", "/var/log") for path in Path(top).rglob("*")),
        "state": sorted(path.name for path in (instance.cache_root / "cluster").glob("*")),
        "settings": kernel.read(),
    }


def main() -> None:
    instance = Instance(INSTANCE)
    views = {"before": snapshot(instance)}
    lifecycle.up(instance, with_vm=nodes.vm_wanted())
    store.import_images(instance, [store.Image(own_images.BUSYBOX_IMAGE, own_images.busybox())])
    container = {
        "name": "c",
        "image": own_images.BUSYBOX_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", _GROW],
        "securityContext": {"privileged": True},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "grown"}, "spec": {"containers": [container]}}
    kubectl(instance, "apply", "--filename=-", stdin=json.dumps(pod))
    kubectl(instance, "wait", "--for=condition=Ready", "pod/grown", "--timeout=60s")
    assert wait_until(lambda: "grown" in kubectl(instance, "logs", "grown"), 60)
    views["during"] = snapshot(instance)
    init = node.find_init(instance)
    assert init is not None
    views["during"]["on the node"] = node.run(init, ["cat", "/proc/self/mountinfo"]).splitlines()
    teardown.down(instance)
    # The kernel takes a network namespace and its links down a moment after the last process of it.
    wait_until(lambda: snapshot(instance) == views["before"], 60)
    views["after"] = snapshot(instance)
    print(json.dumps(views))


if __name__ == "__main__":
    main()

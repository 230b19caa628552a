"""The node's namespaces: made, entered, and ended as one.

A node has its own mounts, network and process ids, so the end of its first process is the end of everything in
it, whatever state it was in. The machine still sees its processes, under other ids, and its cgroups. Processes
are found by the cgroup they were started in, not by a record of them: a start that was cut off hides nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import cgroups
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord, wait_until
from tests.cluster.progress import ClusterError

# Where node-init.sh puts the cluster's folders. On a bare machine some do not exist and are lent for the while.
MOUNT_POINTS = ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers")

_INIT = Path(__file__).with_name("node-init.sh")

# A cgroup has the same name in every hierarchy: version 2 has one at the top, version 1 one per controller.
_JOIN_CGROUP = """
for group in /sys/fs/cgroup/"$CGROUP"/system /sys/fs/cgroup/*/"$CGROUP"/system; do
  [ ! -e "$group/cgroup.procs" ] || echo 0 >"$group/cgroup.procs"
done
cd /
"""
_BECOME = _JOIN_CGROUP + 'exec "$@"'
# The shell ends at once, which makes the node's first process the server's parent.
_LAUNCH = _JOIN_CGROUP + 'setsid "$@" </dev/null >>"$LOG" 2>&1 &'


def server_environment() -> dict[str, str]:
    """What servers get to see: nothing of the caller's shell but how to reach the outside. Go collects garbage less often than by
    itself: it took a third of the API server's time, and they have little to keep.
    """
    kept = {k: v for k, v in os.environ.items() if k.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")}
    return kept | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "GOGC": "400",
    }


def find(instance: Instance, command: Sequence[str]) -> ProcessRecord | None:
    """The running server of this cluster that was started with exactly this command line."""
    wanted = "\0".join(command).encode() + b"\0"
    for pid in sorted(cgroups.members(f"{instance.cgroup}/{cgroups.SERVERS}")):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes() == wanted:
                return ProcessRecord.of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def _init_command(instance: Instance) -> list[str]:
    return ["bash", str(instance.state / "node-init.sh"), str(instance.state)]


def find_init(instance: Instance) -> ProcessRecord | None:
    """The first process of the node, if the node is up."""
    ready = (instance.state / "node-up").exists()
    return find(instance, _init_command(instance)) if ready else None


def start_init(instance: Instance) -> ProcessRecord:
    """Makes the namespaces. Returns their first process, by the machine's process id."""
    # A copy: bash reads its script as it goes, and the checkout may change or vanish meanwhile.
    shutil.copyfile(_INIT, instance.state / "node-init.sh")
    ready = instance.state / "node-up"
    ready.unlink(missing_ok=True)
    log = instance.logs / "node-init.log"
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL"]
    with log.open("ab") as output:
        parent = subprocess.Popen(
            ["sh", "-c", _BECOME, "become", *unshare, *_init_command(instance)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=server_environment() | {"CGROUP": instance.cgroup},
        )
    # 20 s is a hundred times what it takes; more means it hangs.
    wait_until(lambda: ready.exists() or parent.poll() is not None, 20)
    init = find_init(instance)
    if init is None:
        parent.kill()
        raise ClusterError(
            f"The node's namespaces could not be set up. The last lines of {log}:\n{tail(log)}\n"
            "The machine must allow root to unshare mounts, network and process ids and to mount; "
            "in a container, run it privileged."
        )
    return init


def inside(init: ProcessRecord, command: Sequence[str]) -> list[str]:
    """The command line that runs `command` in the node's namespaces."""
    return ["nsenter", f"--target={init.pid}", "--mount", "--net", "--pid", "--", *command]


def run(init: ProcessRecord, command: Sequence[str]) -> str:
    """Runs a short command on the node and returns what it printed."""
    done = subprocess.run(
        inside(init, command), check=False, capture_output=True, text=True, env=server_environment(), timeout=120
    )
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed on the node: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def launch(instance: Instance, init: ProcessRecord, name: str, command: Sequence[str]) -> bool:
    """Starts a server on the node, detached, its output appended to the log of its name. False if it runs already."""
    if find(instance, command) is not None:
        return False
    environment = server_environment() | {"CGROUP": instance.cgroup, "LOG": str(instance.logs / f"{name}.log")}
    subprocess.run(inside(init, ["sh", "-c", _LAUNCH, "launch", *command]), check=True, env=environment)
    # Until the shell has become the server it goes by another name. One that ends at once is found missing later.
    wait_until(lambda: find(instance, command) is not None, 2, interval=0.01)
    return True


def end(instance: Instance) -> None:
    """Ends the node and every process of it, whatever state they are in."""
    init = find(instance, _init_command(instance))
    if init is not None:
        init.send(signal.SIGKILL)
    if not cgroups.empty(instance.cgroup):
        left = ", ".join(str(pid) for pid in sorted(cgroups.members(instance.cgroup)))
        raise ClusterError(
            f"Processes {left} in the cgroup {instance.cgroup} cannot be killed (they wait in the kernel, most often for a "
            "dead disk or network mount): see /proc/PID/stack, then run `make cluster-down` again."
        )


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return "    (it was never written)"
    return "\n".join("    " + line[:1000] for line in text.splitlines()[-lines:])

"""Acts that a build sandbox should not be able to do to its node, and in which security modes they work all the same.

None of them harms the node: the disk is mounted a second time and nothing is written, sysrq prints its help, a file that
is no module is loaded, a setting is written as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.environment import Environment
from tests.kube.client import Executed
from tests.node_view import NodeView
from tests.vm.view import Vm

PRIVILEGED = frozenset({"Privileged"})
MEANT = frozenset({"Capabilities"})
REAL_ROOT = frozenset({"Privileged", "Capabilities"})


@dataclass(frozen=True)
class Act:
    """A script of the daemon's container; exit code 0 means that it worked."""

    script: str
    works_in: frozenset[str]


ACTS = {
    "mount the node's disk": Act("mount /tmp/disk /mnt && umount /mnt", PRIVILEGED),
    # The same by mount(2), where mount(8) makes the file system first and then moves it to its place.
    "mount the node's disk at once": Act("/tmp/busybox mount -t ext4 /tmp/disk /mnt && umount /mnt", REAL_ROOT),
    "read the node's disk": Act("head -c 1 $(cat /tmp/disk-name) >/tmp/byte", PRIVILEGED),
    # With the capability the kernel looks at the file and finds no module; without it does not look.
    "load a module": Act("/tmp/busybox insmod /tmp/no-module 2>&1 | grep -i -e 'format' -e 'invalid'", PRIVILEGED),
    "sysrq": Act("echo h >/proc/sysrq-trigger", PRIVILEGED),
    "core pattern": Act('p=/proc/sys/kernel/core_pattern; v=$(cat $p) && echo "$v" >$p', PRIVILEGED),
    # Read-only mounts stop accidents: whoever means it and has the node's SYS_ADMIN takes them away.
    # (In a privileged container nothing is mounted there, so there is nothing to take away.)
    "sysrq, meant": Act("mount -o remount,bind,rw /proc/sysrq-trigger && echo h >/proc/sysrq-trigger", MEANT),
    "core pattern, meant": Act(
        'mount -o remount,bind,rw /proc/sys && p=/proc/sys/kernel/core_pattern; v=$(cat $p) && echo "$v" >$p', MEANT
    ),
    "security modules": Act("mkdir -p /tmp/s; mount -t securityfs s /tmp/s && ls /tmp/s && umount /tmp/s", REAL_ROOT),
}


POSSIBLE = {name: act for name, act in ACTS.items() if "Privileged" in act.works_in}

# What these leave in the node's log, each by one of its words.
_TRACES = ("/mnt/", "/dev/vda", "sys_module", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/tmp/s/")


def prepare(environment: Environment, node: NodeView) -> None:
    """Puts the device of the node's root and its name, a static busybox and a file that is no module into /tmp."""
    name, device = node.run("findmnt -n -o SOURCE,MAJ:MIN /").split()
    numbers = device.replace(":", " ")
    # In a user namespace already the device node cannot be made.
    environment.run(
        "sh",
        "-c",
        f"rm -f /tmp/disk; mknod /tmp/disk b {numbers} || :; echo {name} >/tmp/disk-name; echo no >/tmp/no-module; "
        "cat >/tmp/busybox && chmod +x /tmp/busybox",
        stdin=Path("/bin/busybox"),
        timeout=300,
    )


def attempt(environment: Environment, act: Act) -> Executed:
    return environment.attempt("sh", "-c", act.script, timeout=300)


def those_that_work(environment: Environment, acts: dict[str, Act]) -> set[str]:
    """All at once: a shell in the container costs more than most of them."""
    script = "; ".join(f"({act.script}) >/dev/null 2>&1; echo $?" for act in acts.values())
    codes = environment.run("sh", "-c", script, timeout=600).split()
    return {name for name, code in zip(acts, codes, strict=True) if code == "0"}


def traces_in_the_report(environment: Environment, vm: Vm, profile: str, assessment: str) -> None:
    """Every one of them, under the profile and with what the kernel made of it: DENIED or ALLOWED."""
    text = _messages(_report(environment, vm))
    assert f"profile: {profile}" in " ".join(text.split())
    for trace in _TRACES:
        lines = [line for line in text.splitlines() if trace in line]
        assert lines, f"{trace} in {text}"
        assert all(assessment in line for line in lines), lines


def _report(environment: Environment, vm: Vm) -> str:
    """As docs/apparmor.md has it: the node's log through a pipe into the command."""
    line = [sys.executable, "-m", "dind_operator", "report", environment.name, "--namespace", environment.namespace]
    variables = {**os.environ, "KUBECONFIG": str(environment.cluster.kubeconfig)}
    variables["PYTHONPATH"] = str(Path(__file__).parents[2] / "operator")
    log = vm.run("journalctl --dmesg --since -1h --no-pager")
    done = subprocess.run(
        [*line, "--node-log", "-"], env=variables, input=log, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _messages(text: str) -> str:
    """Its section on AppArmor."""
    return text[text.index("APPARMOR MESSAGES") :]

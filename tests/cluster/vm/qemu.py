"""QEMU's command line, and the few words spoken with it while it runs."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from tests.cluster import cgroups
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord
from tests.cluster.progress import ClusterError

PROGRAM = "qemu-system-x86_64"

# The machine of this project's CI has two cores; a third emulated one would only wait for the first two.
CPUS = 2

# A daemon, what is nested in it, and the node itself. The machine gives what is touched, not all of it.
MEMORY_MIB = 4096

# The guest's end of the tap device is told apart by its place, not its address: one guest has one link.
_MAC = "52:54:00:d1:4d:02"

# No second level of defence against a guest's own processes: it is thrown away, and slow enough. Cgroups are the
# unified hierarchy and AppArmor is on by default in Debian; both are said, because they are what this node is for.
_KERNEL_ARGUMENTS = (
    "console=hvc0 loglevel=4 mitigations=off apparmor=1 security=apparmor systemd.unified_cgroup_hierarchy=1 "
    "systemd.show_status=no net.ifnames=0 panic=5 tsc=reliable"
)


def socket_path(instance: Instance) -> Path:
    return instance.vm / "qmp.sock"


def console_log(instance: Instance) -> Path:
    return instance.logs / "vm-console.log"


def command(instance: Instance, tap: str) -> list[str]:
    """The command line that boots the guest in the instance's folder `vm`."""
    folder = instance.vm

    def disk(name: str, *more: str) -> list[str]:
        # What the guest wants on the disk for sure is with the machine's kernel, which outlives the guest: enough.
        options = [f"file={folder / name}", "format=raw", "if=virtio", "cache=unsafe", *more]
        return ["-drive", ",".join(options)]

    return [
        *(PROGRAM, "-name", instance.vm_node_name, "-nodefaults", "-no-user-config", "-display", "none"),
        # Without five-level page tables and the slowest of clocks: each is asked a million times during a boot.
        *("-machine", "q35,hpet=off", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"),
        *("-smp", str(CPUS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd"), "-append", _KERNEL_ARGUMENTS),
        *disk("root.img"),
        *disk("configuration.tar", "readonly=on"),
        *disk("programs.tar", "readonly=on"),
        *disk("stock.img"),
        *("-netdev", f"tap,id=link,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=link,mac={_MAC},romfile="),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=console"),
        *("-chardev", f"file,id=console,path={console_log(instance)},append=on"),
        *("-qmp", f"unix:{socket_path(instance)},server=on,wait=off"),
    ]


def find(instance: Instance) -> ProcessRecord | None:
    """The running guest of this instance, whatever it was started with."""
    for pid in sorted(cgroups.members(f"{instance.cgroup}/{cgroups.SERVERS}")):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(PROGRAM.encode() + b"\0"):
                return ProcessRecord.of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def reset(instance: Instance) -> None:
    """Presses the guest's reset button: nothing in it is asked or told."""
    _tell(instance, "system_reset")


def _tell(instance: Instance, execute: str) -> None:
    """One command of QEMU's machine protocol: a greeting, the start of talking, the command, each a line of JSON."""
    path = socket_path(instance)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            # It answers in milliseconds; much longer means that it is stopped or stuck.
            connection.settimeout(20)
            connection.connect(str(path))
            with connection.makefile("rw") as lines:
                lines.readline()
                for word in ("qmp_capabilities", execute):
                    lines.write(json.dumps({"execute": word}) + "\n")
                    lines.flush()
                    _answer(lines)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"QEMU did not execute `{execute}` at {path} ({error}). Check that the virtual node is running."
        ) from error


def _answer(lines: Any) -> None:
    """Reads on to the answer; events come in between."""
    while True:
        line = lines.readline()
        if not line:
            raise ValueError("it closed the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"].get("desc", line))
        if "return" in answer:
            return

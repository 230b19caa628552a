"""Commands on the guest, by ssh with keys that one cluster has for itself.

ssh runs among the node's processes: the connection it keeps for the next command ends when the node does.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.cluster import node
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError

# Long for a command, short for a guest that hangs. What takes longer says so.
COMMAND_SECONDS = 120.0

# ssh's own exit code for "no connection"; a command may end with it too, but ours do not.
NO_CONNECTION = 255


def prepare(instance: Instance) -> None:
    """The keys of both sides and ssh's configuration. What is there is kept."""
    folder = instance.vm
    for name in ("key", "host-key"):
        if not (folder / f"{name}.pub").exists():
            # The private half alone is of a start that was cut off, and ssh-keygen would ask about it.
            (folder / name).unlink(missing_ok=True)
            done = subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", instance.vm_node_name, "-f", str(folder / name)],
                check=False,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode != 0:
                raise ClusterError(f"ssh-keygen failed for {folder / name}: {done.stderr.strip()}")
    (folder / "known-hosts").write_text(f"vm {(folder / 'host-key.pub').read_text()}")
    (folder / "ssh-config").write_text(configuration(instance))


def configuration(instance: Instance) -> str:
    folder = instance.vm
    settings = {
        "HostName": instance.vm_address,
        "HostKeyAlias": "vm",
        "User": "root",
        "IdentityFile": folder / "key",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": folder / "known-hosts",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        # A handshake takes a second under emulation: commands share a connection. ssh appends 17 characters to the
        # name of its socket for a moment, and the limit is 107.
        "ControlMaster": "auto",
        "ControlPath": folder / "s",
        "ControlPersist": "600",
        "ConnectTimeout": "10",
        # A guest under full load is slow to answer and not dead.
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
        # The cheapest to emulate.
        "KexAlgorithms": "curve25519-sha256",
        "Ciphers": "aes128-gcm@openssh.com",
    }
    return "Host vm\n" + "".join(f"  {name} {value}\n" for name, value in settings.items())


def command(instance: Instance, words: Sequence[str], *, terminal: bool = False) -> list[str]:
    """The command line, for this machine, that runs `words` on the guest; a shell if there are none."""
    init = node.find_init(instance)
    if init is None or not (instance.vm / "ssh-config").exists():
        raise ClusterError(
            f"The cluster {instance.name} has no running virtual node. Start it with `make cluster NODES=host,vm`."
        )
    mode = ["-t"] if terminal else ["-T"]
    remote = [shlex.join(words)] if words else []
    return node.inside(init, ["ssh", "-F", str(instance.vm / "ssh-config"), *mode, "vm", *remote])


def run(
    instance: Instance, words: Sequence[str], *, stdin: str | None = None, timeout: float = COMMAND_SECONDS
) -> subprocess.CompletedProcess[str]:
    """The finished command: `returncode`, `stdout`, `stderr`. `timeout` is in seconds."""
    return subprocess.run(
        command(instance, words),
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=node.server_environment(),
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )


def output(instance: Instance, words: Sequence[str], *, timeout: float = COMMAND_SECONDS) -> str:
    """What a command printed. Raises ClusterError with its words when it failed."""
    done = run(instance, words, timeout=timeout)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise ClusterError(f"`{shlex.join(words)}` failed on {instance.vm_node_name} ({done.returncode}): {said}")
    return done.stdout


def feed(instance: Instance, words: Sequence[str], source: IO[bytes], *, timeout: float) -> str:
    """Runs a command that reads a file. Returns what it printed, raises ClusterError when it failed."""
    done = subprocess.run(
        command(instance, words),
        check=False,
        stdin=source,
        capture_output=True,
        timeout=timeout,
        env=node.server_environment(),
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ClusterError(f"`{shlex.join(words)}` failed on {instance.vm_node_name}: {said}")
    return done.stdout.decode(errors="replace")


def answers(instance: Instance) -> bool:
    """Whether a command can be run now."""
    try:
        return run(instance, ["true"], timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def forget_connection(instance: Instance) -> None:
    """Ends the connection that is kept: the guest at its other end does not know of it any more."""
    path: Path = instance.vm / "s"
    words = [word for word in command(instance, []) if word not in ("-T", "vm")]
    subprocess.run([*words, "-O", "exit", "vm"], check=False, capture_output=True, timeout=30)
    path.unlink(missing_ok=True)

"""What listens in a pod, read from the kernel's tables: no tool in the image is trusted or needed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.environment import Environment

_LISTEN = "0A"
_ACCEPTS = 0x10000  # __SO_ACCEPTCON of the kernel, in the column Flags of /proc/net/unix
_UNCONNECTED_UDP = "07"

# libnetwork names its socket after a random number.
_RANDOM = re.compile(r"(?<=/libnetwork/)[0-9a-f]{12}(?=\.sock$)")


@dataclass(frozen=True, order=True)
class Socket:
    """`family` is tcp, tcp6, udp, udp6 or unix; `address` a path, or hexadecimal address and decimal port."""

    family: str
    address: str


def listening(environment: Environment) -> set[Socket]:
    """Every socket of the pod's network namespace that takes connections or datagrams from outside.

    Unix sockets of nested containers are in network namespaces of their own, and so are not listed.
    """
    found: set[Socket] = set()
    for family in ("tcp", "tcp6", "udp", "udp6"):
        for line in environment.run("cat", f"/proc/net/{family}").splitlines()[1:]:
            local, _, state = line.split()[1:4]
            if state == (_LISTEN if family.startswith("tcp") else _UNCONNECTED_UDP):
                address, _, port = local.partition(":")
                found.add(Socket(family, f"{address}:{int(port, 16)}"))
    for line in environment.run("cat", "/proc/net/unix").splitlines()[1:]:
        columns = line.split(maxsplit=7)
        if int(columns[3], 16) & _ACCEPTS:
            path = columns[7] if len(columns) > 7 else "(unnamed)"
            found.add(Socket("unix", _RANDOM.sub("*", path)))
    return found

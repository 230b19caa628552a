"""NODES: which nodes a cluster is started with. The first is always there; the virtual one takes its time."""

from __future__ import annotations

import os

from tests.cluster.progress import ClusterError

HOST, VM = "host", "vm"


def wanted(value: str | None) -> tuple[str, ...]:
    """The nodes that a value of NODES names; the first alone where it is empty."""
    names = tuple(dict.fromkeys(name.strip() for name in (value or HOST).split(",")))
    if not set(names) <= {HOST, VM} or HOST not in names:
        raise ClusterError(
            f"NODES={value} is not known: use NODES=host (the default) or NODES=host,vm (a second, virtual node with "
            "cgroup version 2 and AppArmor)."
        )
    return names


def vm_wanted() -> bool:
    return VM in wanted(os.environ.get("NODES"))

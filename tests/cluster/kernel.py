"""Settings of the kernel that a cluster changes for the whole machine, and giving them back.

The node has its own network settings; these are the ones that no namespace keeps apart.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/proc/sys")
_FORWARDING = "net/ipv4/ip_forward"

# The kubelet sets all but the first when it starts, and refuses to start where it may not.
SETTINGS = (
    _FORWARDING,
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def read() -> dict[str, str]:
    return {name: (_ROOT / name).read_text().strip() for name in SETTINGS if (_ROOT / name).exists()}


def restore(settings: dict[str, str]) -> None:
    """Writes back what differs from `settings`."""
    for name, value in read().items():
        if settings.get(name, value) != value:
            (_ROOT / name).write_text(settings[name])


def allow_forwarding() -> None:
    (_ROOT / _FORWARDING).write_text("1")

"""What of dockerd's settings is set by the operator, in every spelling dockerd would accept.

The lists here feed three readers: the CRD's rules (so that the API server refuses them by name), the models (objects
made under an older CRD) and the pod's builder. Flags are read as pflag reads them: `--name`, `--name=value`,
`-n value`, `-n=value`, `-nvalue`, and several one-letter flags behind one dash.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Final

_DEFAULT_REMEDY: Final = "remove it, the operator sets it"
_ENDPOINT_REMEDY: Final = "remove it, the daemon listens where spec.endpoint says"
_STORAGE_REMEDY: Final = "remove it, choose the volume with spec.storage"
_RUNTIME_REMEDY: Final = "remove it, nested containers run under the daemon's own runc"
_CONTAINERD_REMEDY: Final = "remove it, the daemon runs its own containerd"

# Keys of daemon.json (each is also a long flag) -> what the user should do instead.
OWNED_CONFIG_KEYS: Final[Mapping[str, str]] = {
    "hosts": _ENDPOINT_REMEDY,
    "tls": _ENDPOINT_REMEDY,
    "tlsverify": _ENDPOINT_REMEDY,
    "tlscacert": _ENDPOINT_REMEDY,
    "tlscert": _ENDPOINT_REMEDY,
    "tlskey": _ENDPOINT_REMEDY,
    "config-file": "remove it, write the settings into spec.daemon.config",
    "data-root": _STORAGE_REMEDY,
    "graph": _STORAGE_REMEDY,
    "exec-root": _DEFAULT_REMEDY,
    "cgroup-parent": "remove it, nested containers are kept inside the pod's own cgroup",
    "pidfile": _DEFAULT_REMEDY,
    "runtimes": _RUNTIME_REMEDY,
    "default-runtime": _RUNTIME_REMEDY,
    "containerd": _CONTAINERD_REMEDY,
    "containerd-namespace": _CONTAINERD_REMEDY,
    "containerd-plugins-namespace": _CONTAINERD_REMEDY,
    # With it dockerd ends without telling its containers, and the kernel kills them with the pod's first process.
    "live-restore": "remove it, nested containers end with the daemon's container",
    "log-level": "use spec.daemon.logLevel",
}

_ENDS_REMEDY: Final = "remove it, with it the daemon ends instead of serving"
# Flags spelled otherwise than their key, and flags that have no key.
OWNED_FLAGS: Final[Mapping[str, str]] = {
    **{key: remedy for key, remedy in OWNED_CONFIG_KEYS.items() if key not in {"hosts", "runtimes"}},
    "host": _ENDPOINT_REMEDY,
    "add-runtime": _RUNTIME_REMEDY,
    # dockerd refuses an option given both as a flag and in its file, and the file always holds exec-opts.
    "exec-opt": "write it into spec.daemon.config as exec-opts",
    "validate": _ENDS_REMEDY,
    "version": _ENDS_REMEDY,
    "help": _ENDS_REMEDY,
}

# One-letter flags of dockerd and the long flag each stands for.
OWNED_SHORT_FLAGS: Final[Mapping[str, str]] = {
    "H": "host",
    "l": "log-level",
    "p": "pidfile",
    "g": "graph",
    "v": "version",
    "h": "help",
}
# One-letter flags that are the user's and take a value: what follows them behind the same dash is that value.
# (-b bridge, -G group, -s storage-driver; -D debug takes none.)
SHORT_FLAGS_WITH_VALUE: Final = "bGs"


@functools.cache
def flag_pattern(flags: tuple[str, ...]) -> re.Pattern[str]:
    """Matches an argument that gives one of these flags; made once, because every look at every environment asks."""
    return re.compile(long_pattern(flags))


def long_pattern(flags: Iterable[str]) -> str:
    """A pattern (RE2 and Python alike) of the arguments that set one of these flags by its long name."""
    return "^--?(" + "|".join(sorted(flags)) + ")(=|$)"


def short_pattern(letters: Iterable[str]) -> str:
    """The same for one-letter flags, also behind others that take no value; the first owned letter is the one named.

    Letters dockerd does not know are skipped: it refuses them today, and a later one may take no value.
    """
    stops = "".join(sorted({*SHORT_FLAGS_WITH_VALUE, *OWNED_SHORT_FLAGS}))
    return f"^-[^-={stops}]*[{''.join(sorted(letters))}]"


_LONG: Final = re.compile(long_pattern(OWNED_FLAGS))
_SHORT: Final = re.compile(short_pattern(OWNED_SHORT_FLAGS))

END_OF_FLAGS: Final = "--"

# Part of exec-opts that the operator sets: a daemon with another driver puts nested containers outside the pod.
OWNED_EXEC_OPT: Final = "native.cgroupdriver"


def owned_argument(argument: str) -> str | None:
    """The owned flag that an argument of dockerd sets, as `--name` (or `--`), or None.

    Arguments are judged one by one: a value that looks like an owned flag is refused too (write it as `--flag=value`).
    """
    if argument == END_OF_FLAGS:
        return END_OF_FLAGS
    if match := _LONG.match(argument):
        return f"--{match[1]}"
    if match := _SHORT.match(argument):
        return f"--{OWNED_SHORT_FLAGS[match[0][-1]]}"
    return None


def argument_remedy(flag: str) -> str:
    """What to do about a flag that owned_argument named."""
    return OWNED_FLAGS.get(flag.removeprefix("--"), "remove it, dockerd takes no arguments besides flags")


def owned_config_key(key: str) -> str | None:
    """The owned key of daemon.json that `key` is, in any case: dockerd's JSON reader does not heed case."""
    folded = key.lower()
    return folded if folded in OWNED_CONFIG_KEYS else None


def owned_exec_opt(option: str) -> bool:
    """Whether an entry of exec-opts sets what the operator sets."""
    return option.strip().lower().startswith(OWNED_EXEC_OPT)

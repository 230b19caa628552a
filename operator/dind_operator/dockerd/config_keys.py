"""dockerd's settings, each once: its key in daemon.json, its flags, who sets it, and what depends on it.

The rules of the CustomResourceDefinition, the models, the policy and the pod are derived from this table. A setting that is not
in it is the user's and has nothing to do with any field of `spec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """The type that dockerd gives a key."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRINGS = "list of strings"
    MAPS = "list of maps"
    MAP = "map"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    ``key``: in daemon.json, empty for a flag without one. ``flags``: long flags, if they are not spelled as the key. ``short``: the
    one-letter flag. ``owned``: the operator sets it; the text says what users do instead. ``field``: the field of `spec` that sets
    it; then only one of the two may be set. ``decides``: values that the pod otherwise chooses and that the user chooses with this
    setting, in the words of `dind-node network`.
    """

    key: str = ""
    kind: Kind = Kind.STRING
    flags: tuple[str, ...] | None = None
    short: str = ""
    owned: str = ""
    field: str = ""
    decides: tuple[str, ...] = ()

    @property
    def long_flags(self) -> tuple[str, ...]:
        """Its long flags, without dashes."""
        return (self.key,) if self.flags is None else self.flags


_SET: Final = "remove it"
_ENDPOINT: Final = "remove it and configure spec.endpoint"
_STORAGE: Final = "remove it, choose the volume with spec.storage"
_RUNTIME: Final = "remove it, nested containers run under the daemon's own runc"
_CONTAINERD: Final = "remove it, the daemon runs its own containerd"
_ENDS: Final = "remove it, with it the daemon ends instead of serving"

SETTINGS: Final[tuple[Setting, ...]] = (
    # Set by the operator.
    Setting(key="hosts", kind=Kind.STRINGS, flags=("host",), short="H", owned=_ENDPOINT),
    Setting(key="tls", kind=Kind.BOOLEAN, owned=_ENDPOINT),
    Setting(key="tlsverify", kind=Kind.BOOLEAN, owned=_ENDPOINT),
    Setting(key="tlscacert", owned=_ENDPOINT),
    Setting(key="tlscert", owned=_ENDPOINT),
    Setting(key="tlskey", owned=_ENDPOINT),
    Setting(key="config-file", owned="remove it, write the settings into spec.daemon.config"),
    Setting(key="data-root", owned=_STORAGE),
    Setting(key="graph", short="g", owned=_STORAGE),
    Setting(key="exec-root", owned=_SET),
    Setting(key="cgroup-parent", owned="remove it, nested containers are kept inside the pod's own cgroup"),
    Setting(key="pidfile", short="p", owned=_SET),
    Setting(key="runtimes", kind=Kind.MAP, flags=("add-runtime",), owned=_RUNTIME),
    Setting(key="default-runtime", owned=_RUNTIME),
    Setting(key="containerd", owned=_CONTAINERD),
    Setting(key="containerd-namespace", owned=_CONTAINERD),
    Setting(key="containerd-plugins-namespace", owned=_CONTAINERD),
    # With it dockerd ends without stopping its containers, and the kernel kills them with the pod's first process.
    Setting(
        key="live-restore", kind=Kind.BOOLEAN, owned="remove it, nested containers end with the daemon's container"
    ),
    Setting(key="log-level", short="l", owned="use spec.daemon.logLevel"),
    # dockerd refuses an option that is given both as a flag and in its file, and the file always has exec-opts. The key is the
    # user's but for one option.
    Setting(flags=("exec-opt",), owned="write it into spec.daemon.config as exec-opts"),
    Setting(flags=("validate",), owned=_ENDS),
    Setting(flags=("version",), short="v", owned=_ENDS),
    Setting(flags=("help",), short="h", owned=_ENDS),
    # Set by a field of spec.
    Setting(key="mtu", kind=Kind.INTEGER, field="network.mtu", decides=("mtu",)),
    Setting(key="bip", field="network.bridgeAddress", decides=("bip",)),
    Setting(key="bridge", short="b", field="network.bridgeAddress", decides=("bip", "ipv6")),
    Setting(
        key="default-address-pools",
        kind=Kind.MAPS,
        flags=("default-address-pool",),
        field="network.addressPools",
        decides=("pools",),
    ),
    Setting(key="dns", kind=Kind.STRINGS, field="network.dns.nameservers", decides=("dns",)),
    Setting(key="dns-search", kind=Kind.STRINGS, field="network.dns.searches"),
    Setting(key="dns-opts", kind=Kind.STRINGS, flags=("dns-opt", "dns-opts"), field="network.dns.options"),
    Setting(key="ipv6", kind=Kind.BOOLEAN, field="network.ipv6", decides=("ipv6",)),
    Setting(key="ip6tables", kind=Kind.BOOLEAN, field="network.ipv6", decides=("ipv6",)),
    Setting(key="fixed-cidr-v6", field="network.ipv6", decides=("ipv6",)),
    Setting(key="registry-mirrors", kind=Kind.STRINGS, flags=("registry-mirror",), field="registry.mirrors"),
    Setting(
        key="insecure-registries", kind=Kind.STRINGS, flags=("insecure-registry",), field="registry.insecureRegistries"
    ),
    Setting(key="proxies", kind=Kind.MAP, flags=("http-proxy", "https-proxy", "no-proxy"), field="network.proxy"),
    # The user's, and other values depend on them.
    Setting(key="fixed-cidr", decides=("bip",)),
    Setting(key="default-gateway", decides=("bip",)),
    Setting(key="default-network-opts", flags=("default-network-opt",), decides=("opts",)),
    Setting(key="iptables", kind=Kind.BOOLEAN, decides=("ipv6",)),
    Setting(key="experimental", kind=Kind.BOOLEAN, decides=("experimental",)),
)

# One-letter flags that take a value: what follows them behind the same dash is that value (-G group, -s storage-driver; -D debug
# takes none).
OTHER_SHORT_WITH_VALUE: Final = "Gs"

# Part of exec-opts that the operator sets: a daemon with another driver puts nested containers outside the pod.
OWNED_EXEC_OPT: Final = "native.cgroupdriver"


def owned() -> tuple[Setting, ...]:
    """Those that the operator sets."""
    return tuple(setting for setting in SETTINGS if setting.owned)


def by_field() -> Mapping[str, tuple[Setting, ...]]:
    """Those that a field of `spec` sets, by the field; the first of each is the one that the field stands for."""
    found: dict[str, tuple[Setting, ...]] = {}
    for setting in SETTINGS:
        if setting.field:
            found[setting.field] = (*found.get(setting.field, ()), setting)
    return found


def deciding() -> Mapping[str, tuple[Setting, ...]]:
    """By what the pod otherwise chooses: the settings with which the user chooses it."""
    words: Iterable[str] = dict.fromkeys(word for setting in SETTINGS for word in setting.decides)
    return {word: tuple(setting for setting in SETTINGS if word in setting.decides) for word in words}

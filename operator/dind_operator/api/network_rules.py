"""Where `spec.network` and `spec.daemon` could say the same thing twice: what is set in the one must be absent in the other.

Each rule stands here twice, in CEL for the API server and in Python for objects written under an older CRD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .daemon_rules import cel_name
from .owned import flag_pattern, long_pattern
from .rules import FORBIDDEN, cel_text, rule


@dataclass(frozen=True, slots=True)
class Doubled:
    """A field, CEL that says it is set, and dockerd's own words for it: keys of daemon.json and flags."""

    field: str
    is_set: str
    keys: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def message(self) -> str:
        """What is wrong, where, and what to do."""
        keys = ", ".join(self.keys)
        return f"network.{self.field} must be set only once: remove {keys} from daemon.config and daemon.args, or the field"


_HAS_DNS: Final = "has(self.network.dns) && has(self.network.dns."
DOUBLED: Final = (
    Doubled("mtu", "has(self.network.mtu)", ("mtu",), ("mtu",)),
    Doubled("bridgeAddress", "has(self.network.bridgeAddress)", ("bip", "bridge"), ("bip", "bridge")),
    Doubled("addressPools", "has(self.network.addressPools)", ("default-address-pools",), ("default-address-pool",)),
    Doubled("dns.nameservers", f"{_HAS_DNS}nameservers)", ("dns",), ("dns",)),
    Doubled("dns.searches", f"{_HAS_DNS}searches)", ("dns-search",), ("dns-search",)),
    Doubled("dns.options", f"{_HAS_DNS}options)", ("dns-opts",), ("dns-opt", "dns-opts")),
    Doubled(
        "ipv6",
        "self.network.ipv6 != 'Auto'",
        ("ipv6", "ip6tables", "fixed-cidr-v6"),
        ("ipv6", "ip6tables", "fixed-cidr-v6"),
    ),
)
# What of dockerd's settings decides, where the user gives it, for what is else chosen in the pod: word of the helper -> keys.
OWNING: Final[Mapping[str, tuple[str, ...]]] = {
    "mtu": ("mtu",),
    "bip": ("bip", "bridge", "fixed-cidr", "default-gateway"),
    "pools": ("default-address-pools",),
    "opts": ("default-network-opts",),
    "dns": ("dns",),
    "ipv6": ("ipv6", "ip6tables", "iptables", "fixed-cidr-v6", "bridge"),
    "experimental": ("experimental",),
}
# Flags that are spelled otherwise than their key.
_FLAGS: Final = {"default-address-pools": "default-address-pool", "default-network-opts": "default-network-opt"}
_BRIDGE_SHORT: Final = re.compile(r"^-D*b")

# Keys that rules name are declared, with the type that dockerd gives them, so that CEL can see them.
DECLARED: Final[Mapping[str, dict[str, Any]]] = {
    "mtu": {"type": "integer", "minimum": 0, "maximum": 65535},
    "bip": {"type": "string", "maxLength": 64},
    "bridge": {"type": "string", "maxLength": 64},
    "default-address-pools": {
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "object", "maxProperties": 8, "x-kubernetes-preserve-unknown-fields": True},
    },
    **{
        key: {
            "type": "array",
            "maxItems": 64,
            "x-kubernetes-list-type": "atomic",
            "items": {"type": "string", "maxLength": 256},
        }
        for key in ("dns", "dns-search", "dns-opts")
    },
    "ipv6": {"type": "boolean"},
    "ip6tables": {"type": "boolean"},
    "fixed-cidr-v6": {"type": "string", "maxLength": 64},
}


def declared_keys() -> dict[str, Any]:
    """Schemas of the keys of daemon.json that the rules look at."""
    return {
        key: {**schema, "description": f"Same as `spec.network.{_field_of(key)}`. Set only one of them."}
        for key, schema in DECLARED.items()
    }


def _field_of(key: str) -> str:
    return next(doubled.field for doubled in DOUBLED if key in doubled.keys)


def doubled_rules() -> list[dict[str, str]]:
    """CEL rules of the whole spec."""
    rules = []
    for doubled in DOUBLED:
        given = [f"has(self.daemon.config.{cel_name(key)})" for key in doubled.keys]
        pattern = cel_text(long_pattern(doubled.flags))
        absent = f"!(has(self.daemon.config) && ({' || '.join(given)})) && "
        absent += f"!(has(self.daemon.args) && self.daemon.args.exists(a, a.matches('{pattern}')))"
        place = f".network.{doubled.field}"
        rules.append(rule(f"!({doubled.is_set}) || ({absent})", doubled.message, path=place, reason=FORBIDDEN))
    return rules


def doubled_errors(network: Mapping[str, Any], config: Mapping[str, Any], args: Sequence[str]) -> Iterator[str]:
    """Sentences about what must be set only once. ``network`` as it stands in a manifest."""
    keys = {key.lower() for key in config}
    for doubled in DOUBLED:
        found: Any = network
        for part in doubled.field.split("."):
            found = (found or {}).get(part)
        pattern = flag_pattern(doubled.flags)
        twice = keys & set(doubled.keys) or any(pattern.match(argument) for argument in args)
        if found not in (None, "Auto") and twice:
            yield doubled.message


def owned_words(config: Mapping[str, Any], args: Sequence[str]) -> list[str]:
    """The helper's words for what the user's own settings of dockerd decide."""
    keys = {key.lower() for key in config}

    def given(key: str) -> bool:
        pattern = flag_pattern((_FLAGS.get(key, key),))
        short = key == "bridge" and any(_BRIDGE_SHORT.match(argument) for argument in args)
        return key in keys or short or any(pattern.match(argument) for argument in args)

    return [word for word, owning in OWNING.items() if any(given(key) for key in owning)]

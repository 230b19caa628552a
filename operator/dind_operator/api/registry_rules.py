"""Mirrors and insecure registries may be given in three ways, and dockerd takes one: rules that say which.

Each rule stands here twice, in CEL for the API server and in Python for objects written under an older CRD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .rules import FORBIDDEN, rule

_BOTH: Final = "are mutually exclusive: remove one of registry.{field} and daemon.config['{key}']"
_FLAG: Final = "registry.{field} and the argument --{flag} of daemon.args are mutually exclusive: keep registry.{field}"
_TWICE: Final = (
    ("mirrors", "registry-mirrors", "registry-mirror"),
    ("insecureRegistries", "insecure-registries", "insecure-registry"),
)
"""Field, key of daemon.json, flag of dockerd."""


def config_properties() -> dict[str, Any]:
    """The keys of daemon.json that fields here are for, declared so that CEL can see them."""
    return {
        key: {
            "type": "array",
            "maxItems": 64,
            "x-kubernetes-list-type": "atomic",
            "items": {"type": "string", "maxLength": 1024},
            "description": f"Same as `spec.registry.{field}`, which is preferred. Set only one of them.",
        }
        for field, key, _ in _TWICE
    }


def registry_rules() -> list[dict[str, str]]:
    """Rules of the whole spec: dockerd takes each of these settings from one place."""
    rules = []
    for field, key, flag in _TWICE:
        asked = f"has(self.registry) && has(self.registry.{field}) && self.registry.{field}.size() > 0"
        config_key = key.replace("-", "__dash__")
        rules.append(
            rule(
                f"!({asked} && has(self.daemon.config) && has(self.daemon.config.{config_key}))",
                f"registry.{field} and daemon.config['{key}'] {_BOTH.format(field=field, key=key)}",
                path=f".registry.{field}",
                reason=FORBIDDEN,
            )
        )
        rules.append(
            rule(
                f"!({asked} && has(self.daemon.args) && self.daemon.args.exists(a, a.startsWith('--{flag}')))",
                _FLAG.format(field=field, flag=flag),
                path=f".registry.{field}",
                reason=FORBIDDEN,
            )
        )
    return rules


def registry_errors(
    given: Mapping[str, Sequence[str]], config: Mapping[str, Any], args: Sequence[str]
) -> Iterator[str]:
    """The same in Python. ``given``: what the fields of `spec.registry` hold, by their names."""
    for field, key, flag in _TWICE:
        if not given[field]:
            continue
        if configured(config, key):
            yield f"registry.{field} and daemon.config['{key}'] {_BOTH.format(field=field, key=key)}"
        if flagged(args, flag):
            yield _FLAG.format(field=field, flag=flag)


def configured(config: Mapping[str, Any], key: str) -> bool:
    """daemon.json has the key, in any case of letters: Go reads them all."""
    return any(given.lower() == key for given in config)


def flagged(args: Sequence[str], flag: str) -> bool:
    """dockerd's arguments have the flag."""
    return any(argument.startswith(f"--{flag}") for argument in args)

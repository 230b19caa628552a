"""The rules of `spec.daemon`: what the operator owns, and amounts that must fit each other.

Each rule stands here twice, in CEL for the API server and in Python for objects written under an older CRD, one below
the other so that they are changed together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .owned import (
    END_OF_FLAGS,
    OWNED_CONFIG_KEYS,
    OWNED_EXEC_OPT,
    OWNED_FLAGS,
    OWNED_SHORT_FLAGS,
    argument_remedy,
    long_pattern,
    owned_argument,
    owned_config_key,
    owned_exec_opt,
    short_pattern,
)
from .registry_rules import config_properties
from .rules import FORBIDDEN, cel_text, rule, validations, value_rule

# ---- config: owned keys are declared with the type dockerd gives them, so that CEL can see and refuse them.

_LISTS: Final = {"hosts"}
_MAPS: Final = {"runtimes"}
_SWITCHES: Final = {"tls", "tlsverify", "live-restore"}
# Settings of a daemon; the builder bounds their text as a whole.
_CONFIG_MAX_KEYS: Final = 128
_EXEC_OPT_MESSAGE: Final = (
    f"config.exec-opts must not contain {OWNED_EXEC_OPT}: remove it, the operator sets it to cgroupfs"
)


def _declared(key: str) -> dict[str, Any]:
    described = {"description": f"Set by the operator and rejected here: {OWNED_CONFIG_KEYS[key]}."}
    if key in _LISTS:
        return {
            "type": "array",
            "maxItems": 64,
            "x-kubernetes-list-type": "atomic",
            "items": {"type": "string", "maxLength": 1024},
            **described,
        }
    if key in _MAPS:
        return {"type": "object", "maxProperties": 64, "x-kubernetes-preserve-unknown-fields": True, **described}
    return {"type": "boolean", **described} if key in _SWITCHES else {"type": "string", "maxLength": 4096, **described}


def _config_message(key: str) -> str:
    return f"config.{key} is set by the operator: {OWNED_CONFIG_KEYS[key]}"


def config_schema(declared: Mapping[str, Any]) -> dict[str, Any]:
    """daemon.json: a free map in which the owned keys are declared and forbidden; ``declared``: others that rules look at."""
    exec_opts = {
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "string", "maxLength": 256},
        "description": f"Options of the container runtime of dockerd. The operator sets {OWNED_EXEC_OPT}.",
        **validations(
            rule(
                f"self.all(o, !o.trim().lowerAscii().startsWith('{OWNED_EXEC_OPT}'))",
                _EXEC_OPT_MESSAGE,
                reason=FORBIDDEN,
            )
        ),
    }
    return {
        "maxProperties": _CONFIG_MAX_KEYS,
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {
            "exec-opts": exec_opts,
            **declared,
            **config_properties(),
            **{key: _declared(key) for key in OWNED_CONFIG_KEYS},
        },
        **validations(
            *(
                rule(f"!has(self.{cel_name(key)})", _config_message(key), path=f"['{key}']", reason=FORBIDDEN)
                for key in OWNED_CONFIG_KEYS
            )
        ),
    }


def cel_name(key: str) -> str:
    """A property's name as CEL spells it."""
    return key.replace("-", "__dash__")


def config_errors(config: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about owned keys in daemon.json."""
    for key, value in config.items():
        if owned := owned_config_key(key):
            yield _config_message(owned)
        elif key.lower() == "exec-opts" and _has_owned_exec_opt(value):
            yield _EXEC_OPT_MESSAGE


def _has_owned_exec_opt(options: Any) -> bool:
    return isinstance(options, list) and any(isinstance(option, str) and owned_exec_opt(option) for option in options)


# ---- args: one rule for each remedy, each naming the argument.


def args_rules() -> list[dict[str, str]]:
    """Rules of one argument."""
    flags_by_remedy: dict[str, list[str]] = defaultdict(list)
    for flag, remedy in OWNED_FLAGS.items():
        flags_by_remedy[remedy].append(flag)
    rules = []
    for remedy, flags in flags_by_remedy.items():
        checks = [f"self.matches('{cel_text(long_pattern(flags))}')"]
        letters = [letter for letter, flag in OWNED_SHORT_FLAGS.items() if flag in flags]
        if letters:
            checks.append(f"self.matches('{cel_text(short_pattern(letters))}')")
        rules.append(_argument_rule(f"!({' || '.join(checks)})", remedy))
    rules.append(_argument_rule(f"self != '{END_OF_FLAGS}'", argument_remedy(END_OF_FLAGS)))
    return rules


def _argument_rule(cel: str, remedy: str) -> dict[str, str]:
    fallback = f"this argument is set by the operator: {remedy}"
    return value_rule(
        cel, f"'argument ' + self + ' is set by the operator: {cel_text(remedy)}'", fallback, reason=FORBIDDEN
    )


def args_errors(args: list[str]) -> Iterator[str]:
    """Sentences about owned flags among dockerd's arguments."""
    for index, argument in enumerate(args):
        if flag := owned_argument(argument):
            yield f"args[{index}] {argument!r} is set by the operator: {argument_remedy(flag)}"

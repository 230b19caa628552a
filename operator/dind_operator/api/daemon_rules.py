"""The rules of `spec.daemon.config` and `spec.daemon.args`, made from the table of dockerd's settings.

Each rule is made twice, as CEL for the API server and in Python for objects that were written under an older CRD.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dind_operator.dockerd.config_keys import OWNED_EXEC_OPT, SETTINGS, Kind, Setting, by_field
from dind_operator.dockerd.flags import (
    END_OF_FLAGS,
    OWNED_FLAGS,
    OWNED_KEYS,
    OWNED_SHORT_FLAGS,
    argument_remedy,
    is_set,
    long_pattern,
    owned_argument,
    owned_config_key,
    owned_exec_opt,
    short_pattern,
)

from .cel_rules import FORBIDDEN, cel_text, rule, validations, value_rule

# ---- config: keys that rules name are declared with the type dockerd gives them, so that CEL can see them.

# Settings of a daemon; the builder bounds their text as a whole.
CONFIG_MAX_KEYS: Final = 128
_EXEC_OPT_MESSAGE: Final = (
    f"config.exec-opts must not contain {OWNED_EXEC_OPT}: remove it, the operator sets it to cgroupfs"
)


def _strings(entries: int, length: int) -> dict[str, Any]:
    return {
        "type": "array",
        "maxItems": entries,
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "string", "maxLength": length},
    }


_SCHEMAS: Final[Mapping[Kind, dict[str, Any]]] = {
    Kind.STRING: {"type": "string", "maxLength": 4096},
    Kind.INTEGER: {"type": "integer", "minimum": 0, "maximum": 65535},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.STRINGS: _strings(64, 1024),
    Kind.MAPS: {
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "object", "maxProperties": 8, "x-kubernetes-preserve-unknown-fields": True},
    },
    Kind.MAP: {"type": "object", "maxProperties": 64, "x-kubernetes-preserve-unknown-fields": True},
}


# What a value that does not fit its schema must be, for objects that were written under an older CRD.
_REMEDIES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "must be a string with at most 4096 characters",
    Kind.INTEGER: "must be an integer from 0 to 65535",
    Kind.BOOLEAN: "must be true or false",
    Kind.STRINGS: "must be a list of at most 64 strings with at most 1024 characters each",
    Kind.MAPS: "must be a list of at most 64 objects with at most 8 fields each",
    Kind.MAP: "must be an object with at most 64 fields",
}


def _declared(setting: Setting) -> dict[str, Any]:
    if setting.owned:
        told = f"Rejected, because the operator sets it: {setting.owned}."
    else:
        told = f"Same as `spec.{setting.field}`, which is preferred. Set only one of them."
    return {**_SCHEMAS[setting.kind], "description": told}


_NAMED: Final = {setting.key: setting for setting in SETTINGS if setting.key and (setting.owned or setting.field)}
_EXEC_OPTS: Final = _strings(32, 256)


def _config_message(key: str) -> str:
    return f"config.{key} is set by the operator: {OWNED_KEYS[key]}"


def config_schema() -> dict[str, Any]:
    """daemon.json: a free map in which the keys that rules name are declared, and the owned ones forbidden."""
    exec_opts = {
        **_EXEC_OPTS,
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
        "maxProperties": CONFIG_MAX_KEYS,
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"exec-opts": exec_opts, **{key: _declared(setting) for key, setting in _NAMED.items()}},
        **validations(
            *(
                rule(f"!has(self.{_cel_name(key)})", _config_message(key), path=f"['{key}']", reason=FORBIDDEN)
                for key in OWNED_KEYS
            )
        ),
    }


def _cel_name(key: str) -> str:
    """A property's name as CEL spells it."""
    return key.replace("-", "__dash__")


def config_errors(config: Mapping[str, Any]) -> Iterator[str]:
    """Errors about owned keys in daemon.json, and about values that the schema rejects."""
    for key, value in config.items():
        if owned := owned_config_key(key):
            yield _config_message(owned)
        elif not key.isascii():
            yield f"config.{key!r} must be a key that dockerd knows: remove it, keys have ASCII characters only"
        elif key.lower() == "exec-opts" and _has_owned_exec_opt(value):
            yield _EXEC_OPT_MESSAGE
        elif key == "exec-opts" and not _fits(_EXEC_OPTS, value):
            yield "config.exec-opts must be a list of at most 32 strings with at most 256 characters each"
        elif key in _NAMED and not _fits(_SCHEMAS[_NAMED[key].kind], value):
            yield f"config.{key} {_REMEDIES[_NAMED[key].kind]}"


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the API server accepts the value."""
    match schema["type"], value:
        case "boolean", bool():
            return True
        case "integer", int() if not isinstance(value, bool):
            return bool(schema["minimum"] <= value <= schema["maximum"])
        case "string", str():
            return len(value) <= int(schema["maxLength"])
        case "object", dict():
            return len(value) <= int(schema["maxProperties"])
        case "array", list():
            return len(value) <= int(schema["maxItems"]) and all(_fits(schema["items"], item) for item in value)
    return False


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
    """Errors about owned flags among dockerd's arguments."""
    for index, argument in enumerate(args):
        if flag := owned_argument(argument):
            yield f"args[{index}] {argument!r} is set by the operator: {argument_remedy(flag)}"


# ---- fields of spec that set what daemon.json and the arguments can set, too: dockerd takes each from one place.


def _exclusive(field: str, settings: Sequence[Setting]) -> str:
    keys = " or ".join(setting.key for setting in settings)
    flags = " or ".join(f"--{setting.long_flags[0]}" for setting in settings)
    return f"{field} is mutually exclusive with {keys} in daemon.config and {flags} in daemon.args: remove one of them"


def field_rules() -> list[dict[str, str]]:
    """CEL rules of the whole spec."""
    rules = []
    for field, settings in by_field().items():
        parts = field.split(".")
        has = " && ".join(f"has(self.{'.'.join(parts[:depth])})" for depth in range(1, len(parts) + 1))
        # A list that is empty and a word that leaves it to the pod set nothing.
        empty = "'Auto'" if settings[0].kind is Kind.BOOLEAN else "[]"
        counts = settings[0].kind in (Kind.BOOLEAN, Kind.STRINGS, Kind.MAPS)
        used = f"{has} && self.{field} != {empty}" if counts else has
        keys = " || ".join(f"has(self.daemon.config.{_cel_name(setting.key)})" for setting in settings)
        letters = [setting.short for setting in settings if setting.short]
        flags = long_pattern(flag for setting in settings for flag in setting.long_flags)
        pattern = cel_text(f"{flags}|{short_pattern(letters)}" if letters else flags)
        absent = f"!(has(self.daemon.config) && ({keys})) && "
        absent += f"!(has(self.daemon.args) && self.daemon.args.exists(a, a.matches('{pattern}')))"
        message = _exclusive(field, settings)
        rules.append(rule(f"!({used}) || ({absent})", message, path=f".{field}", reason=FORBIDDEN))
    return rules


def field_errors(spec: Mapping[str, Any], config: Mapping[str, Any], args: Sequence[str]) -> Iterator[str]:
    """The same errors in Python. ``spec`` as it stands in a manifest."""
    for field, settings in by_field().items():
        found: Any = spec
        for part in field.split("."):
            found = (found or {}).get(part)
        if found not in (None, "Auto", []) and any(is_set(setting, config, args) for setting in settings):
            yield _exclusive(field, settings)

"""Values for a schema: as it wants them, at its bounds, and otherwise."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from tests.fuzz import texts

Schema = dict[str, Any]

# Rules that give the text itself, a field or the keys of a map a pattern; a structural schema has none for keys.
_OWN_PATTERN = re.compile(r"^(?:self|string\(self\))\.matches\('((?:[^'\\]|\\.)*)'\)")
_FIELD_PATTERN = re.compile(r"^self\.(\w+)\.matches\('((?:[^'\\]|\\.)*)'\)")
_KEY_PATTERN = re.compile(r"\bk\.matches\('((?:[^'\\]|\\.)*)'\)")
_LONGEST = 512
_INTEGERS = (-(2**63) - 1, -(2**63), -1, 0, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30)
_NUMBERS = (0.5, -0.0, 1.0, 1e3, 1e21, 1e300)
_QUANTITIES = (
    *("1", "500m", "1.5Gi", "1Gi", "2Gi", "64Mi", "1e3", "1E9", "+1", ".5", "5.", "1n", "0", "0.0001n", "1Ei", "7Ei"),
    *("8Ei", "9223372036854775807", "9223372036854775808", "1e99", "1" * 40, "1" * 41, "-1", "1Ki1", "1 Gi", "1gi", ""),
)
_KEYS = ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/gpu")
SETTINGS = (
    *("debug", "mtu", "MTU", "bip", "hosts", "Hosts", "dns", "DNS", "exec-opts", "Exec-Opts", "registry-mirrors"),
    *("log-opts", "proxies", "shutdown-timeout", "default-address-pools", "ipv6", "insecure-registries", "builder"),
    *("features", "labels", "max-concurrent-downloads", "storage-opts", "default-ulimits", "runtime\u017f", "\u212aey"),
    *("", " ", "a.b/c", "__proto__", "x" * 1024, "iptables", "fixed-cidr", "experimental", "default-network-opts"),
)
DEPTHS = (5, 31, 32, 33, 34, 40, 100, 300)
VERY_DEEP = (990, 1200, 3000, 9000)
"""Up to nearly as deep as the API server stores. It takes a second for one: the paths of all fields, which it records as
managedFields, grow with the square."""


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _rules(node: Schema) -> list[str]:
    return [rule["rule"] for rule in node.get("x-kubernetes-validations", [])]


def _first(expression: re.Pattern[str], node: Schema) -> str | None:
    return next((_unquoted(found[1]) for rule in _rules(node) if (found := expression.search(rule))), None)


def _patterns_of_fields(node: Schema) -> dict[str, str]:
    found = (_FIELD_PATTERN.search(rule) for rule in _rules(node))
    return {match[1]: _unquoted(match[2]) for match in found if match}


def deep(levels: int, rng: Random) -> Any:
    """Lists or maps in each other."""
    value: Any = rng.choice([1, "a", None])
    in_maps = rng.random() < 0.5
    for _ in range(levels):
        value = {"a": value} if in_maps else [value]
    return value


def valid(rng: Random, node: Schema, pattern: str | None = None) -> Any:
    """A value that the schema accepts; of rules it knows the patterns only. Few of the fields that may be absent are there."""
    if "enum" in node:
        return rng.choice(node["enum"])
    if node.get("x-kubernetes-int-or-string"):
        return rng.choice([*_QUANTITIES[:16], 0, 1, 2**31, 2**40])
    match node.get("type"):
        case "object" if "properties" in node:
            return _fields(rng, node)
        case "object" if "additionalProperties" in node:
            inner = node["additionalProperties"]
            return {key(rng, node): valid(rng, inner) for _ in range(rng.randint(0, min(3, node["maxProperties"])))}
        case "object":
            return {rng.choice(SETTINGS): free(rng) for _ in range(rng.randint(0, 3))}
        case "array":
            least = node.get("minItems", 0)
            return [valid(rng, node["items"]) for _ in range(rng.randint(least, least + 2))]
        case "integer":
            least, most = node.get("minimum", 0), node["maximum"]
            return rng.choice([least, most, rng.randint(least, most), rng.randint(least, min(most, least + 64))])
        case "boolean":
            return rng.random() < 0.5
    return _text(rng, node, pattern)


def _fields(rng: Random, node: Schema) -> dict[str, Any]:
    required, patterns = node.get("required", []), _patterns_of_fields(node)
    optional = [name for name in node["properties"] if name not in required]
    chosen = rng.sample(optional, min(len(optional), rng.choice([0, 1, 1, 1, 2, 2, 3, 5])))
    names = [*required, *chosen]
    made = {name: valid(rng, node["properties"][name], patterns.get(name)) for name in names}
    if node.get("x-kubernetes-preserve-unknown-fields"):
        made |= {rng.choice(SETTINGS): free(rng) for _ in range(rng.randint(0, 2))}
    return made


def _text(rng: Random, node: Schema, pattern: str | None) -> str:
    pattern = node.get("pattern") or pattern or _first(_OWN_PATTERN, node)
    longest = node.get("maxLength", _LONGEST)
    if node.get("format") == "date-time":
        return "2026-01-02T12:00:00Z"
    if pattern is not None:
        return texts.matching(rng, pattern, longest)
    return rng.choice([texts.odd(rng), "a", "value"])[:longest]


def key(rng: Random, node: Schema) -> str:
    """A key for a map."""
    if rng.random() < 0.3 and "x-kubernetes-int-or-string" in node["additionalProperties"]:
        return rng.choice(_KEYS)
    pattern = _first(_KEY_PATTERN, node)
    return texts.matching(rng, pattern, 317) if pattern else texts.odd(rng)


def free(rng: Random, levels: int = 3) -> Any:
    """A value of any kind."""
    match rng.randrange(9 if levels else 6):
        case 0:
            return texts.odd(rng)
        case 1:
            return rng.choice(_INTEGERS)
        case 2:
            return rng.choice(_NUMBERS)
        case 3:
            return rng.random() < 0.5
        case 4:
            return None
        case 5:
            return "value"
        case 6:
            return [free(rng, levels - 1) for _ in range(rng.randint(0, 3))]
        case 7:
            return {rng.choice(SETTINGS): free(rng, levels - 1) for _ in range(rng.randint(0, 3))}
        case _:
            return deep(rng.choice(DEPTHS), rng)


def otherwise(rng: Random, node: Schema, now: Any) -> Any:
    """Something else than is wanted: nothing, another type, a bound or one beyond it, a text that nearly fits. `now`: what stands
    there."""
    match rng.randrange(10):
        case 0:
            return None
        case 1:
            return rng.choice(["", {}, [], 0, False, [None], {"": None}, [{}], [[]]])
        case 2:
            return free(rng)
        case _:
            return _bound(rng, node, now)


def _bound(rng: Random, node: Schema, now: Any) -> Any:
    if node.get("x-kubernetes-int-or-string"):
        return rng.choice([*_QUANTITIES, *_INTEGERS, *_NUMBERS, texts.nearly(rng, "512Mi")])
    match node.get("type"):
        case "integer":
            least, most = node.get("minimum", 0), node["maximum"]
            return rng.choice([least - 1, least, most, most + 1, float(least), str(least), *_INTEGERS, *_NUMBERS])
        case "boolean":
            return rng.choice([True, False, "true", "false", "yes", 0, 1, 1.0])
        case "array":
            return _items(rng, node, now)
        case "object":
            return _entries(rng, node, now)
        case "string":
            return _nearly_text(rng, node, now)
    return free(rng)


def _nearly_text(rng: Random, node: Schema, now: Any) -> Any:
    text = now if isinstance(now, str) else str(valid(rng, node))
    longest, least = node.get("maxLength", _LONGEST), node.get("minLength", 0)
    match rng.randrange(5):
        case 0:
            return texts.odd(rng)
        case 1:
            size = rng.choice([longest, longest + 1, max(0, least - 1), least])
            return texts.repeated(text or "a", size)
        case 2:
            # A character of two or four bytes: some count characters, some bytes.
            return rng.choice(["\u00e9", "\U0001f40b"]) * rng.choice([longest, longest + 1, longest // 2 + 1])
        case _:
            return texts.nearly(rng, text)


def _items(rng: Random, node: Schema, now: Any) -> Any:
    items = list(now) if isinstance(now, list) else []
    most, least = node["maxItems"], node.get("minItems", 0)
    made = valid(rng, node["items"])
    match rng.randrange(5):
        case 0:
            return [*items, *items[:1]] if items else [made, made]
        case 1:
            size = rng.choice([most, most + 1, max(0, least - 1)])
            return [valid(rng, node["items"]) for _ in range(size)] if size < 100 else [made] * size
        case 2:
            return [*items, None]
        case 3:
            return {str(number): item for number, item in enumerate(items)}
        case _:
            return [*items, otherwise(rng, node["items"], made)]


def _entries(rng: Random, node: Schema, now: Any) -> Any:
    entries = dict(now) if isinstance(now, dict) else {}
    match rng.randrange(5):
        case 0 if "maxProperties" in node:
            size = rng.choice([node["maxProperties"], node["maxProperties"] + 1])
            inner = node.get("additionalProperties")
            return {f"a{number}": valid(rng, inner) if inner else 1 for number in range(size)}
        case 1:
            return {**entries, rng.choice([texts.odd(rng), rng.choice(SETTINGS)]): free(rng)}
        case 2 if "additionalProperties" in node:
            return {**entries, texts.nearly(rng, key(rng, node)): valid(rng, node["additionalProperties"])}
        case 3 if entries:
            # A field less, which may be one that is required.
            del entries[rng.choice(list(entries))]
            return entries
        case _:
            return valid(rng, node)

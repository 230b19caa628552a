"""From a pydantic model to a structural schema of a CustomResourceDefinition.

Pydantic generates JSON Schema. A structural schema has no references, no null and no key patterns, and every parent of a field with
a default has a default. The limits that CEL needs are set in the models; a test checks them.
"""

from __future__ import annotations

from typing import Any, Final

from dind_operator.api.cel_rules import NO_DEFAULT, VALIDATIONS
from dind_operator.api.model import ApiModel

Schema = dict[str, Any]

# Keywords of JSON Schema that are removed.
_DROPPED: Final = ("title", "examples", "propertyNames", "patternProperties", "$defs")
_FIRST: Final = ("description", "type", "format", "enum", "default", "required")
_INT32_MAX: Final = 2**31 - 1


def structural(model: type[ApiModel], *, examples: bool = False) -> Schema:
    """The structural schema of a model. With `examples`, examples are kept for the documentation."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), examples)


def _convert(node: Schema, definitions: dict[str, Schema], examples: bool) -> Schema:
    node = {**_collapse(node, definitions)}
    kept = examples and node.get("examples")
    if "patternProperties" in node:
        # A rule of the field checks the pattern of the keys: see rules.keys.
        (node["additionalProperties"],) = node["patternProperties"].values()
    out = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if out.get("additionalProperties") in (False, True):
        del out["additionalProperties"]
    elif isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = _convert(out["additionalProperties"], definitions, examples)
    if "items" in out:
        out["items"] = _convert(out["items"], definitions, examples)
    if "properties" in out:
        required = out.get("required", [])
        out["properties"] = {
            name: _property(value, definitions, examples, optional=name not in required)
            for name, value in out["properties"].items()
        }
    if out.get("type") == "integer":
        out["format"] = "int32" if out.get("maximum", _INT32_MAX + 1) <= _INT32_MAX else "int64"
    if kept:
        out["examples"] = kept
    return dict(sorted(out.items(), key=_order))


def _order(entry: tuple[str, Any]) -> int:
    """The most important keywords first."""
    return _FIRST.index(entry[0]) if entry[0] in _FIRST else len(_FIRST)


def _property(node: Schema, definitions: dict[str, Schema], examples: bool, *, optional: bool) -> Schema:
    out = _convert(node, definitions, examples)
    if out.get("default", 0) is None:
        del out["default"]
    allowed = not out.pop(NO_DEFAULT, False)
    if not allowed:
        out.pop("default", None)
    if optional and allowed and "default" not in out and _has_defaults(out):
        out["default"] = defaults(out)
    return dict(sorted(out.items(), key=_order))


def _has_defaults(node: Schema) -> bool:
    return any("default" in value for value in node.get("properties", {}).values())


def defaults(node: Schema) -> Schema:
    """The defaults of an empty object. The API server applies the rules to a default before it fills in nested defaults."""
    return {name: value["default"] for name, value in node["properties"].items() if "default" in value}


def _collapse(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Resolve a reference, or an `anyOf` with null, into one schema. Keywords beside it take precedence."""
    if "$ref" in node:
        target = _collapse(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
        return _merge(target, {key: value for key, value in node.items() if key != "$ref"})
    if "anyOf" in node and not node.get("x-kubernetes-int-or-string"):
        (inner,) = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        return _merge(_collapse(inner, definitions), {key: value for key, value in node.items() if key != "anyOf"})
    return node


def _merge(inner: Schema, outer: Schema) -> Schema:
    merged = {**inner, **outer}
    if VALIDATIONS in inner and VALIDATIONS in outer:
        merged[VALIDATIONS] = [*inner[VALIDATIONS], *outer[VALIDATIONS]]
    return merged

"""docs/api.md, generated from the descriptions of fields, conditions and reasons in the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import yaml

from dind_operator.api import names
from dind_operator.api.cel_rules import VALIDATIONS
from dind_operator.api.condition_types import ConditionType
from dind_operator.api.documented import Documented
from dind_operator.api.reasons import Reason
from dind_operator.api.status import Phase
from dind_operator.crd.definition import COLUMNS, root_schema
from dind_operator.crd.structural_schema import Schema

_INTRO: Final = f"""\
<!-- Generated from operator/dind_operator/api by `make docs`. Do not edit. -->
# API reference

`{names.API_VERSION}`, kind `{names.KIND}`, short name `{names.SHORT_NAME}`, namespaced. All fields of `spec` are
optional. This manifest creates a Docker daemon with the defaults:

```yaml
apiVersion: {names.API_VERSION}
kind: {names.KIND}
metadata:
  name: my-docker
spec: {{}}
```

The name must have at most {names.NAME_MAX_LENGTH} lower-case letters, digits and `-`, and must start with a letter, because
it is the name of the pod and part of other names. Defaults that may change with a release (images, the memory reserve) are
applied when the pod is created. They are reported in `status` and never written to `spec`.
`kubectl explain {names.KIND.lower()}.spec` shows the same descriptions without the examples.
"""

_CONDITIONS_INTRO: Final = """\
Each condition has `type`, `status` (True, False, Unknown), `reason`, `message`, `lastTransitionTime` (when `status` last
changed) and `observedGeneration`. Wait for readiness with `kubectl wait --for=condition=Ready dind/my-docker`. In a
suspended environment, `Ready` is False with the reason Suspended, which is not a failure.
"""


def api_markdown() -> str:
    """The complete page."""
    root = root_schema(examples=True)["properties"]
    seen: dict[str, str] = {}
    parts = [
        _INTRO,
        "## spec\n",
        *_section("spec", root["spec"], seen),
        "## status\n",
        "Only the operator writes the status.\n",
        *_section("status", root["status"], seen),
        "## Conditions\n",
        _CONDITIONS_INTRO,
        _words("Condition", ConditionType),
        "## Reasons\n",
        "Reasons are part of the API, and programs may compare them.\n",
        _words("Reason", Reason),
        "## Phases\n",
        f"`status.phase` is for people: {', '.join(Phase)}. Programs should read the conditions.\n",
        "## Columns of `kubectl get`\n",
        _table(
            ("Column", "Field", "Shown"),
            [(name, f"`{path}`", "with `-o wide`" if priority else "always") for name, path, _, priority, _ in COLUMNS],
        ),
    ]
    return "\n".join(parts)


def _section(path: str, node: Schema, seen: dict[str, str]) -> Iterator[str]:
    """The table of the fields of an object, its rules, and the sections of nested objects."""
    fields: dict[str, Schema] = node["properties"]
    required = node.get("required", [])
    rows = [_row(name, field, name in required) for name, field in fields.items()]
    yield f'### <a id="{_anchor(path)}"></a>{path}\n' if "." in path or "[" in path else ""
    yield _table(("Field", "Type", "Default", "Bounds", "Description"), rows)
    if rules := [rule["message"] for rule in _rules(node)]:
        yield "Validation rules:\n"
        yield "\n".join(f"- {message}." for message in rules) + "\n"
    for name, field in fields.items():
        child, inner = _child(f"{path}.{name}", field)
        if inner is None:
            continue
        key = json.dumps(inner["properties"], sort_keys=True)
        if key in seen:
            yield f'### <a id="{_anchor(child)}"></a>{child}\n'
            yield f"As [{seen[key]}](#{_anchor(seen[key])}).\n"
        else:
            seen[key] = child
            yield from _section(child, inner, seen)


def _rules(node: Schema) -> list[dict[str, str]]:
    found: list[dict[str, str]] = node.get(VALIDATIONS, [])
    # The row of an owned key of daemon.json says that the key is rejected.
    return [rule for rule in found if not rule.get("fieldPath", "").startswith("['")]


def _child(path: str, field: Schema) -> tuple[str, Schema | None]:
    if "items" in field:
        path, field = f"{path}[]", field["items"]
    return path, field if "properties" in field else None


def _row(name: str, field: Schema, required: bool) -> tuple[str, ...]:
    default = "required" if required else _default(field)
    text = field["description"]
    # The rules of an object are below its own table.
    if "properties" not in field:
        text += "".join(f" Validation: {rule['message']}." for rule in _rules(field) if not _is_shape(rule))
    for example in field.get("examples", []):
        text += f" Example: `{_flow(example)}`."
    return f"`{name}`", _type(field), default, _bounds(field), text


def _is_shape(rule: dict[str, str]) -> bool:
    """Whether a rule only repeats the type."""
    return ".matches(" in rule["rule"]


def _default(field: Schema) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return f"`{_flow(value)}`" if not isinstance(value, dict | list) else "see below"


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    match field.get("type"):
        case "array":
            return f"list of {_type(field['items'])}"
        case "object" if "additionalProperties" in field:
            return f"map of {_type(field['additionalProperties'])}"
        case "object" if field.get("x-kubernetes-preserve-unknown-fields"):
            return "free map"
        case "string" if field.get("format") == "date-time":
            return "time"
        case kind:
            return str(kind)


def _bounds(field: Schema) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" if value else "empty" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "not negative"
    if "minimum" in field or "maximum" in field:
        return f"{field.get('minimum', '')} to {field['maximum']}"
    for word, unit in (("maxLength", "characters"), ("maxItems", "items"), ("maxProperties", "entries")):
        if word in field:
            return f"at most {field[word]} {unit}"
    return ""


def _words(heading: str, words: type[Documented]) -> str:
    return _table((heading, "Meaning", "What to do"), [(f"`{word}`", word.meaning, word.remedy) for word in words])


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _anchor(path: str) -> str:
    return path.lower().replace(".", "-").replace("[]", "-item")

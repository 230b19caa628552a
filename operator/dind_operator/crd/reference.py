"""docs/api.md, generated: every field, condition and reason in the words that stand beside them in the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import yaml

from dind_operator.api import names
from dind_operator.api.condition_types import ConditionType
from dind_operator.api.documented import Documented
from dind_operator.api.reasons import Reason
from dind_operator.api.rules import VALIDATIONS
from dind_operator.api.status import Phase
from dind_operator.crd.definition import COLUMNS, root_schema
from dind_operator.crd.structural_schema import Schema

_INTRO: Final = f"""\
<!-- Generated from operator/dind_operator/api by `make docs`. Do not edit. -->
# API reference

`{names.API_VERSION}`, kind `{names.KIND}`, short name `{names.SHORT_NAME}`, namespaced. Everything in `spec` may be left
out; this is a working daemon:

```yaml
apiVersion: {names.API_VERSION}
kind: {names.KIND}
metadata:
  name: my-docker
spec: {{}}
```

The name becomes a pod's name and part of other names: at most {names.NAME_MAX_LENGTH} lower-case letters, digits and `-`,
starting with a letter. Defaults that may change with a release (images, the memory reserve) are chosen when the pod is
made and shown in `status`; they are never written into `spec`. `kubectl explain {names.KIND.lower()}.spec` shows the
same texts without the examples.
"""

_CONDITIONS_INTRO: Final = """\
Each condition has `type`, `status` (True, False, Unknown), `reason`, `message`, `lastTransitionTime` (when `status` last
changed) and `observedGeneration`. Wait for readiness with `kubectl wait --for=condition=Ready dind/my-docker`. A
suspended environment is not Ready: `Ready` is False with reason Suspended, which is no failure.
"""


def api_markdown() -> str:
    """The whole page."""
    root = root_schema(examples=True)["properties"]
    seen: dict[str, str] = {}
    parts = [
        _INTRO,
        "## spec\n",
        *_section("spec", root["spec"], seen),
        "## status\n",
        "Written by the operator only.\n",
        *_section("status", root["status"], seen),
        "## Conditions\n",
        _CONDITIONS_INTRO,
        _words("Condition", ConditionType),
        "## Reasons\n",
        "Reasons are part of the API: programs may compare them.\n",
        _words("Reason", Reason),
        "## Phases\n",
        f"`status.phase` is for people: {', '.join(Phase)}. Programs read conditions.\n",
        "## Columns of `kubectl get`\n",
        _table(
            ("Column", "From", "Shown"),
            [(name, f"`{path}`", "with `-o wide`" if priority else "always") for name, path, _, priority, _ in COLUMNS],
        ),
    ]
    return "\n".join(parts)


def _section(path: str, node: Schema, seen: dict[str, str]) -> Iterator[str]:
    """The table of an object's fields, its rules, then the sections of the objects in it."""
    fields: dict[str, Schema] = node["properties"]
    required = node.get("required", [])
    rows = [_row(name, field, name in required) for name, field in fields.items()]
    yield f'### <a id="{_anchor(path)}"></a>{path}\n' if "." in path or "[" in path else ""
    yield _table(("Field", "Type", "Default", "Bounds", "Description"), rows)
    if rules := [rule["message"] for rule in _rules(node)]:
        yield "Refused, each with its sentence:\n"
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
    # An owned key of daemon.json says in its own row that it is refused.
    return [rule for rule in found if not rule.get("fieldPath", "").startswith("['")]


def _child(path: str, field: Schema) -> tuple[str, Schema | None]:
    if "items" in field:
        path, field = f"{path}[]", field["items"]
    return path, field if "properties" in field else None


def _row(name: str, field: Schema, required: bool) -> tuple[str, ...]:
    default = "required" if required else _default(field)
    text = field["description"]
    # A refused value's sentence belongs to its field; those of an object stand below its own table.
    if "properties" not in field:
        text += "".join(f" Refused: {rule['message']}." for rule in _rules(field) if not _is_shape(rule))
    for example in field.get("examples", []):
        text += f" Example: `{_flow(example)}`."
    return f"`{name}`", _type(field), default, _bounds(field), text


def _is_shape(rule: dict[str, str]) -> bool:
    """Whether a rule only repeats in words what the type already says."""
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

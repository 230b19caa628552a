"""The text format of a report: sections of aligned lines.

Every line starts with a heading, a name, an indent or a bar, so that text that a user controls cannot imitate a section.
"""

from typing import Any

import yaml

from dind_operator.report.redact import visible

_BAR = "  | "


def render(facts: dict[str, Any]) -> str:
    """The report as text."""
    head = facts.get("report", {})
    lines = [f"{head.get('tool')} report, {head.get('time')}"]
    for title, content in facts.items():
        if title == "report":
            continue
        if title == "logs":
            for name, log in content.items():
                lines += ["", f"LOG OF {name.upper() if name.islower() else name}", *_block(log or ["(empty)"])]
        else:
            lines += ["", title.upper(), *_section(title, content)]
    return "\n".join(lines) + "\n"


def _section(title: str, content: Any) -> list[str]:
    if title == "conditions":
        return _conditions(content)
    if title == "events":
        return [_event(item) for item in content]
    if title == "apparmor messages":
        head = {key: value for key, value in content.items() if key != "messages"}
        return [*_pairs(head), *_block([_message(item) for item in content.get("messages", [])])]
    if title == "spec":
        return _yaml(content)
    if isinstance(content, list):
        return [f"  {visible(str(item))}" for item in content]
    return _pairs(content)


def _pairs(content: dict[str, Any], indent: str = "  ") -> list[str]:
    width = max((len(str(key)) for key in content), default=0) + 2
    lines = []
    for key, value in content.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{visible(str(key))}:", *_pairs(value, indent + "  ")]
        elif isinstance(value, list):
            lines += [f"{indent}{visible(str(key))}:", *(f"{indent}{_BAR}{visible(str(item))}" for item in value)]
        else:
            lines.append(f"{indent}{visible(str(key)) + ':':<{width}}{visible(str(value))}")
    return lines


def _conditions(content: list[dict[str, Any]]) -> list[str]:
    """Type, status, reason and time in columns as wide as their longest entry, and the message on the next line."""
    keys = ("type", "status", "reason")
    widths = {key: max((len(str(item.get(key))) for item in content), default=0) + 2 for key in keys}
    lines = []
    for item in content:
        cells = "".join(f"{item.get(key)!s:<{widths[key]}}" for key in keys)
        lines += [visible(f"  {cells}{item.get('lastTransitionTime')}"), f"      {visible(str(item.get('message')))}"]
    return lines


def _event(item: dict[str, Any]) -> str:
    times = f" (x{item['count']})" if (item.get("count") or 1) > 1 else ""
    about = f"{item.get('type')} {item.get('about')} {item.get('reason')}{times}"
    return "  " + visible(f"{item.get('time')} {about}: {item.get('message')}")


def _message(item: dict[str, Any]) -> str:
    """The time, what AppArmor did and the operation, followed by the other fields with their names."""
    times = f" x{item['count']}" if item.get("count", 1) > 1 else ""
    front = f"{item.get('time')} {item.get('verdict')}{times} {item.get('operation', '')}"
    rest = {key: value for key, value in item.items() if key not in ("time", "count", "verdict", "operation")}
    return " ".join([front, *(f"{key}={value}" for key, value in rest.items())])


def _yaml(content: Any) -> list[str]:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return _block(text.rstrip("\n").split("\n"))


def _block(lines: list[str]) -> list[str]:
    return [f"{_BAR}{visible(line)}" for line in lines]

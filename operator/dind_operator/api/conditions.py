"""Functions to set and read conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from .condition_types import ConditionType
from .documented import Documented
from .reasons import Reason
from .status import MESSAGE_MAX_LENGTH, Condition, ConditionStatus, clip

__all__ = [
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "Documented",
    "Reason",
    "find_condition",
    "format_time",
    "read_conditions",
    "set_conditions",
]


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, the format of Kubernetes."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_conditions(
    status: Mapping[str, Any],
    desired: Mapping[ConditionType, tuple[ConditionStatus, Reason, str]],
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The desired conditions: existing ones in their order, followed by new ones.

    `desired` contains status, reason and message by type; other types are removed. `lastTransitionTime` changes only when the
    status of the condition changes. Long messages are truncated.
    """
    before = {item["type"]: item for item in status.get("conditions") or [] if _is_condition(item)}
    time = format_time(now)
    after = {}
    for kind, (value, reason, message) in desired.items():
        text, old = str(value), before.get(kind)
        after[str(kind)] = {
            "type": str(kind),
            "status": text,
            "reason": str(reason),
            "message": message if len(message) <= MESSAGE_MAX_LENGTH else clip(message),
            "lastTransitionTime": old["lastTransitionTime"] if old is not None and old["status"] == text else time,
            "observedGeneration": generation,
        }
    return [after.pop(kind) for kind in list(before) if kind in after] + list(after.values())


def _is_condition(item: Any) -> bool:
    """Whether the item is valid. Invalid conditions of other writers are replaced."""
    if not isinstance(item, dict):
        return False
    kind, status, time = item.get("type"), item.get("status"), item.get("lastTransitionTime")
    return isinstance(kind, str) and isinstance(status, str) and isinstance(time, str)


def find_condition(conditions: Sequence[Condition], type: ConditionType | str) -> Condition | None:
    """The condition of the type, if present."""
    return next((condition for condition in conditions if condition.type == str(type)), None)


def read_conditions(status: Mapping[str, Any]) -> list[Condition]:
    """The conditions of a raw status. Invalid conditions of other writers are omitted, because they are replaced."""
    found = []
    for item in status.get("conditions") or []:
        try:
            found.append(Condition.model_validate(item))
        except ValidationError:
            continue
    return found

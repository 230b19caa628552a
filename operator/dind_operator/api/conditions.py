"""Conditions are the contract of status: this is how one is set so that its time means something."""

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
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_conditions(
    status: Mapping[str, Any],
    desired: Mapping[ConditionType, tuple[ConditionStatus, Reason, str]],
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """All conditions that a status is to have: those that it has in their order, others after them.

    `desired` holds status, reason and message by type; what it does not name is left out. The time of a condition
    changes only when its status does. Messages longer than a condition may hold are cut.
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
    """What another hand wrote and is no condition is set anew."""
    if not isinstance(item, dict):
        return False
    kind, status, time = item.get("type"), item.get("status"), item.get("lastTransitionTime")
    return isinstance(kind, str) and isinstance(status, str) and isinstance(time, str)


def find_condition(conditions: Sequence[Condition], type: ConditionType | str) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((condition for condition in conditions if condition.type == str(type)), None)


def read_conditions(status: Mapping[str, Any]) -> list[Condition]:
    """The conditions of a raw status. What another hand wrote and is no condition is left out: it will be set anew."""
    found = []
    for item in status.get("conditions") or []:
        try:
            found.append(Condition.model_validate(item))
        except ValidationError:
            continue
    return found

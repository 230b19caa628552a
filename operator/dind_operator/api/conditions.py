"""Conditions are the contract of status: this is how one is set so that its time means something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from .condition_types import ConditionType
from .documented import Documented
from .reasons import Reason
from .status import Condition, ConditionStatus, clip

__all__ = [
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "Documented",
    "Reason",
    "find_condition",
    "format_time",
    "read_conditions",
    "set_condition",
]


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_condition(
    conditions: Sequence[Condition],
    type: ConditionType,
    status: ConditionStatus | bool | None,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions with one of them set. Its time changes only when its status does; order is kept.

    `status` may be True, False or None (Unknown). Messages longer than a condition may hold are cut.
    """
    if not isinstance(status, ConditionStatus):
        status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[status]
    before = find_condition(conditions, type)
    same = before is not None and before.status == status
    after = Condition(
        type=str(type),
        status=status,
        reason=str(reason),
        message=clip(message),
        last_transition_time=before.last_transition_time if before is not None and same else format_time(now),
        observed_generation=generation,
    )
    if before is None:
        return [*conditions, after]
    return [after if condition.type == after.type else condition for condition in conditions]


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

"""A status as its schema allows it: a status that the API server refuses would report nothing, and nothing would follow from it."""

import copy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dind_operator.api.conditions import ConditionType
from dind_operator.api.status import DindEnvironmentStatus, clip

MAX_ROUNDS = 8
"""Each round mends all errors that validation reports; mending one can show others, a few levels up."""
_ESSENTIAL = ("phase", "observedGeneration", "lifetime", "workloads", "lastFailure", "recreations", "recreateAfter")
"""What the operator itself goes by, and a user at least."""


def fitted(status: dict[str, Any]) -> dict[str, Any]:
    """The status, with what does not fit its schema clipped or left out; the same object if all of it fits."""
    found = status
    for _ in range(MAX_ROUNDS):
        try:
            DindEnvironmentStatus.model_validate(found)
        except ValidationError as error:
            found = copy.deepcopy(found)
            # From the end, so that the places of list items stay.
            for item in sorted(error.errors(), key=_place, reverse=True):
                _mend(found, item)
        else:
            return found
    return essential(status)


def _place(error: ErrorDetails) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in error["loc"]]


def essential(status: dict[str, Any]) -> dict[str, Any]:
    """A smaller status: the phase, the condition Ready, and what the operator itself goes by."""
    conditions = status.get("conditions")
    dicts = [item for item in conditions if isinstance(item, dict)] if isinstance(conditions, list) else []
    ready = [item for item in dicts if item.get("type") == ConditionType.READY]
    return {key: status[key] for key in _ESSENTIAL if key in status} | {"conditions": ready}


def _mend(status: dict[str, Any], error: ErrorDetails) -> None:
    *above, last = error["loc"]
    holder: Any = status
    for place in above:
        holder = _at(holder, place)
    value = _at(holder, last)
    limit = error.get("ctx", {}).get("max_length")
    if isinstance(value, str) and isinstance(limit, int):
        holder[last] = clip(value, limit)
    elif isinstance(value, list) and isinstance(limit, int):
        del value[limit:]
    elif _has(holder, last):
        del holder[last]
    elif above:  # something is missing there: the whole is left out
        _mend(status, {**error, "loc": tuple(above), "ctx": {}})


def _has(holder: Any, place: int | str) -> bool:
    if isinstance(holder, dict):
        return place in holder
    return isinstance(holder, list) and isinstance(place, int) and place < len(holder)


def _at(holder: Any, place: int | str) -> Any:
    return holder[place] if _has(holder, place) else None

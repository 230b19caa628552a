"""Values that are nested more deeply than the interpreter's stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from tests.unit.objects import environment
from tests.unit.values import nested, values

from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.nesting import CUT, MAX_DEPTH, deeper, limited

VALUES = values()


@given(VALUES)
def test_what_is_not_deep_is_as_it_was(value: Any) -> None:
    assert limited(value) is value


def test_the_deepest_that_is_allowed_stays_and_one_more_is_cut() -> None:
    allowed = json.loads(nested(MAX_DEPTH))
    assert limited(allowed) is allowed
    assert not deeper(limited([allowed]), MAX_DEPTH)
    assert CUT in json.dumps(limited([allowed]))


@pytest.mark.parametrize("levels", [100, 950, 5000, 200_000])
def test_an_environment_that_is_nested_too_deeply_is_invalid(levels: int) -> None:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    for value in (deep, limited(deep)):
        with pytest.raises(
            InvalidEnvironment, match=r"spec\.daemon\.config must not be nested more than 32 levels deep"
        ):
            DindEnvironment.from_dict(environment({"daemon": {"config": {"x": value}}}))

"""Values that are nested more deeply than the interpreter's stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import environment

from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.nesting import CUT, MAX_DEPTH, Decoder, deeper, limited

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},:é', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\[{', max_size=3), inner, max_size=3)
    ),
    max_leaves=30,
)


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@given(VALUES)
def test_what_is_not_deep_is_as_it_was(value: Any) -> None:
    assert limited(value) is value
    assert Decoder().decode(json.dumps(value)) == value


@given(VALUES, VALUES)
def test_beside_what_is_cut_everything_is_as_it_was(before: Any, after: Any) -> None:
    text = f'{{"a": {json.dumps(before)}, "deep": {nested(200_000)}, "b": {json.dumps(after)}}}'
    found = Decoder().decode(text)
    assert (found["a"], found["b"]) == (before, after)
    found = limited(found)
    assert (found["a"], found["b"]) == (before, after)
    assert not deeper(found, MAX_DEPTH)
    assert CUT in json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [nested(100_000), nested(100_000, '{"a":', "}").replace(":}", ":1}", 1), "[" * 100_000, '"[[[[' + "x" * 10],
    ids=["lists", "maps", "unfinished", "unfinished text"],
)
def test_any_text_is_decoded_or_is_an_error_of_json(text: str) -> None:
    try:
        found = Decoder().decode(text)
    except ValueError:
        return
    assert deeper(found, MAX_DEPTH)
    assert not deeper(limited(found), MAX_DEPTH)


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

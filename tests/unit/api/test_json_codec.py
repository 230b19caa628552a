"""JSON by orjson, with Python's own json for what orjson does not accept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.values import nested, values

from dind_operator.api.json_codec import Decoder, Encoder
from dind_operator.api.nesting import CUT, MAX_DEPTH, deeper, limited

# What orjson refuses: integers of more than 64 bits, and halves of surrogate pairs.
STRANGE = st.integers() | st.text(alphabet="a\ud800é", max_size=4)


@given(values())
def test_what_is_encoded_and_decoded_is_as_it_was(value: Any) -> None:
    assert Decoder().decode(json.dumps(value)) == value
    assert Decoder().decode(Encoder().encode(value)) == value


@given(values(STRANGE))
def test_what_orjson_refuses_is_encoded(value: Any) -> None:
    assert json.loads(Encoder().encode(value)) == value


@given(values(st.text(alphabet="a\ud800é", max_size=4)))
def test_halves_of_surrogate_pairs_are_decoded(value: Any) -> None:
    text = json.dumps(value)
    assert Decoder().decode(text) == json.loads(text)


def test_a_larger_integer_is_a_number_as_in_the_api_server() -> None:
    assert Decoder().decode(str(2**64)) == 2.0**64


def test_what_cannot_be_encoded_is_the_error_of_json() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        Encoder().encode(deep)
    with pytest.raises(TypeError, match="not JSON serializable"):
        Encoder().encode({"a": object()})


def test_after_install_everybody_encodes_and_decodes_like_this() -> None:
    """In a process of its own: it cannot be undone."""
    program = (
        "import json; from dind_operator.api.json_codec import install; install(); "
        "print(json.dumps({'a': [1, 2]}), json.loads('[' * 5000 + ']' * 5000) != [], json.loads(b'[1]'))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == '{"a":[1,2]} True [1]\n'


@given(values(), values())
def test_beside_what_is_cut_everything_is_as_it_was(before: Any, after: Any) -> None:
    text = f'{{"a": {json.dumps(before)}, "deep": {nested(20_000)}, "b": {json.dumps(after)}}}'
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

"""The objects of `make fuzz`: the same seed gives the same, and there is no field of the spec that they leave out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.fuzz import values
from tests.fuzz.environments import Environments
from tests.fuzz.jsontext import encode
from tests.fuzz.shrink import shrunk

MANY = 3000
Schema = dict[str, Any]


def fields(node: Schema, path: str = "spec") -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(child, f"{path}.{name}")
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if word in node:
            yield from fields(node[word], path + mark)


def fields_of(value: Any, node: Schema, path: str = "spec") -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in node.get("properties", {}).items():
            if name in value:
                yield f"{path}.{name}"
                yield from fields_of(value[name], child, f"{path}.{name}")
        for item in value.values() if "additionalProperties" in node else ():
            yield from fields_of(item, node["additionalProperties"], path + "{}")
    elif isinstance(value, list) and "items" in node:
        for item in value:
            yield from fields_of(item, node["items"], path + "[]")


def test_an_object_depends_on_the_seed_and_its_number_alone() -> None:
    forwards, backwards = Environments(7), Environments(7)
    numbers = range(60)
    first = [encode(forwards[number].body) for number in numbers]
    assert first == [encode(backwards[number].body) for number in reversed(numbers)][::-1]
    assert first != [encode(Environments(8)[number].body) for number in numbers]


def test_they_reach_every_field() -> None:
    made = Environments(1)
    seen = {path for number in range(MANY) for path in fields_of(made[number].body["spec"], made.schema)}
    assert set(fields(made.schema)) - seen == set()


def test_values_of_any_depth_are_written_as_json() -> None:
    rng = Random(1)
    for _ in range(200):
        value = values.free(rng)
        assert json.loads(encode(value)) == json.loads(json.dumps(value))
    assert encode({"a": values.deep(9000, rng)}).count("a") >= 1


def test_of_what_shows_a_fault_the_rest_is_left_out() -> None:
    body = {"kind": "k", "spec": {"a": [1, {"b": "x" * 100, "c": 2}], "d": {"e": None}}}

    def shows(found: dict[str, Any]) -> bool:
        return "x" in json.dumps(found)

    assert shrunk(body, shows) == {"kind": "k", "spec": {"a": [{"b": "x" * 12}]}}
    assert body["spec"]["d"] == {"e": None}

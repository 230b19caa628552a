"""The schema describes every value of the chart and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from tests.helm import CHART, merged

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# Not in values.yaml: a parent chart's, not this chart's.
PARENTS = {"global", "enabled"}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        found: dict[str, Any] = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
        return found
    return node


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", resolved(child)
        yield from nodes(resolved(child), f"{path}.{name}")


def test_every_value_is_described_and_closed() -> None:
    found = dict(nodes(SCHEMA))
    assert len(found) > 50
    assert SCHEMA["additionalProperties"] is False
    for path, node in found.items():
        assert node.get("description"), f"{path} has no description"
        if "properties" in node:
            assert node["additionalProperties"] is False, f"{path} accepts anything"


def test_schema_and_values_name_the_same_things() -> None:
    def compare(node: dict[str, Any], values: dict[str, Any], path: str) -> None:
        known = set(node["properties"]) - (PARENTS if not path else set())
        assert known == set(values), f"{path or 'values.yaml'} and its schema differ"
        for name, child in node["properties"].items():
            if "properties" in resolved(child):
                compare(resolved(child), values[name], f"{path}.{name}")

    closed = merged(SCHEMA, {})
    # Kubernetes decides what may stand in resources; the defaults name only some of it.
    closed["properties"] = {key: value for key, value in SCHEMA["properties"].items() if key != "resources"}
    compare(closed, {key: value for key, value in VALUES.items() if key != "resources"}, "")

"""The generated schema: structural, described, bounded, small, and never stale."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dind_operator.api import names
from dind_operator.api.reasons import Reason
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.crd.definition import crd, crd_yaml, root_schema
from dind_operator.crd.reference import api_markdown

ROOT = Path(__file__).parents[3]
CRD = ROOT / "crds" / "dind.dev_dindenvironments.yaml"
Field = tuple[str, dict[str, Any]]


def fields(node: dict[str, Any], path: str) -> Iterator[Field]:
    """Every schema below an object, with its path: properties, items and values of maps."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if word in node:
            yield f"{path}{mark}", node[word]
            yield from fields(node[word], f"{path}{mark}")


# PyYAML takes a third of a second to write the definition, so it is written once.
WRITTEN = crd_yaml()
SCHEMA = root_schema()
FIELDS = [
    *fields(SCHEMA["properties"]["spec"], "spec"),
    *fields(SCHEMA["properties"]["status"], "status"),
]


def test_the_crd_is_not_stale() -> None:
    assert CRD.read_text() == WRITTEN, "crds/ differs from the models: run `make crds`"


def test_the_reference_is_not_stale() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == api_markdown(), "docs/api.md is stale: run `make docs`"


def test_the_crd_stays_small() -> None:
    # As the API server, etcd, every client, and the annotation of `kubectl apply` have it, which holds 256 KiB: the indentation of
    # the file is not theirs to carry.
    assert len(json.dumps(crd(), separators=(",", ":"))) < 200 * 1024


def test_the_yaml_is_the_definition() -> None:
    assert yaml.load(WRITTEN, Loader=yaml.CSafeLoader) == crd()
    assert "&id" not in WRITTEN


def test_there_are_fields_to_look_at() -> None:
    paths = [path for path, _ in FIELDS]
    assert len(paths) > 150
    assert "spec.scheduling.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution" in paths
    assert "status.lastFailure.nodeBootID" in paths


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=[path for path, _ in FIELDS])
def test_every_field_is_described_and_bounded(path: str, field: dict[str, Any]) -> None:
    if not path.endswith(("[]", "{}")):
        assert field["description"].endswith((".", ".`"))
    bound = {
        "string": field.get("enum") or field.get("maxLength"),
        "integer": field.get("maximum"),
        "array": field.get("maxItems"),
        "object": field.get("properties") or field.get("maxProperties"),
        "boolean": True,
        None: field.get("x-kubernetes-int-or-string") and field.get("maxLength"),
    }[field.get("type")]
    assert bound, f"{path} has no bound"
    if field.get("type") == "integer":
        assert "minimum" in field
        assert field["maximum"] < 2**53, "JSON readers that use doubles would round it"


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=[path for path, _ in FIELDS])
def test_nothing_a_structural_schema_does_not_know(path: str, field: dict[str, Any]) -> None:
    known = {
        *(
            "description",
            "type",
            "format",
            "enum",
            "default",
            "required",
            "properties",
            "items",
            "additionalProperties",
        ),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "pattern"),
        *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
        "x-kubernetes-preserve-unknown-fields",
    }
    if field.get("x-kubernetes-int-or-string"):
        known |= {"x-kubernetes-int-or-string", "anyOf"}
    assert field.keys() <= known, path


def test_lists_say_how_they_merge() -> None:
    lists = [(path, field) for path, field in FIELDS if field.get("type") == "array"]
    assert len(lists) > 15
    for path, field in lists:
        assert field["x-kubernetes-list-type"] in {"atomic", "set", "map"}, path


def rules(node: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from node.get("x-kubernetes-validations", [])
    for _, field in fields(node, ""):
        yield from field.get("x-kubernetes-validations", [])


def test_every_rule_has_a_sentence_with_a_remedy() -> None:
    found = list(rules(SCHEMA))
    assert len(found) > 40
    for rule in found:
        assert ":" in rule["message"], rule["message"]
        assert rule["reason"] in {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"}
        assert rule["rule"].count("(") == rule["rule"].count(")")


def test_maps_with_typed_keys_check_them() -> None:
    maps = [(path, field) for path, field in FIELDS if "additionalProperties" in field]
    assert len(maps) > 5
    for path, field in maps:
        assert any("self.all(k, size(k)" in rule["rule"] for rule in field["x-kubernetes-validations"]), path


def test_the_defaults_of_the_crd_are_those_of_the_models() -> None:
    default = SCHEMA["properties"]["spec"]["default"]
    assert DindEnvironmentSpec.model_validate(default) == DindEnvironmentSpec()
    assert default["daemon"].keys() == {"logLevel"}, (
        "defaults that may change with a release are never written into spec"
    )


def test_no_kind_of_volume_is_written_into_an_object_that_names_none() -> None:
    storage = SCHEMA["properties"]["spec"]["properties"]["storage"]
    assert "default" not in storage
    for kind in ("emptyDir", "ephemeral", "hostPath"):
        assert "default" not in storage["properties"][kind]


def test_names_and_columns() -> None:
    spec = crd()["spec"]
    assert crd()["metadata"]["name"] == names.CRD_NAME == "dindenvironments.dind.dev"
    assert spec["names"]["shortNames"] == spec["names"]["categories"] == ["dind"]
    (version,) = spec["versions"]
    assert version["subresources"] == {"status": {}}
    columns = [(column["name"], column.get("priority", 0)) for column in version["additionalPrinterColumns"]]
    assert [name for name, priority in columns if not priority] == [
        "Phase",
        "Ready",
        "Docker",
        "Endpoint",
        "Node",
        "Age",
    ]
    assert [name for name, priority in columns if priority] == ["Reason", "Image", "Driver"]


def test_the_reference_names_every_field_and_reason() -> None:
    text = api_markdown()
    for path, _ in FIELDS:
        name = path.rstrip("[]{}").rsplit(".", 1)[1]
        assert f"`{name}`" in text, path
    for reason in Reason:
        assert f"| `{reason}` | {reason.meaning} |" in text


def test_nothing_in_the_reference_is_taken_for_html() -> None:
    text = re.sub(r"`[^`\n]*`|<!--.*?-->|<a id=\"[^\"]*\"></a>", "", api_markdown())
    assert "<" not in text


def test_links_of_the_reference_lead_somewhere() -> None:
    text = api_markdown()
    links = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert links
    assert links <= set(re.findall(r'<a id="([^"]*)">', text))

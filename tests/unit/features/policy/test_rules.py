"""The rules of the installation's policy. That the API server says the same is in tests/integration/environments/test_policy.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError
from tests.helm import CHART
from tests.policy_cases import CASES, Case
from tests.unit.objects import environment, model

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.lifetime import DURATION_PATTERN
from dind_operator.features.policy.rules import MAX_ENTRIES, MAX_ENTRY_LENGTH, PolicyRules, violations


def policy(**rules: Any) -> PolicyRules:
    return PolicyRules.model_validate(rules)


def broken(spec: dict[str, Any], **rules: Any) -> list[str]:
    return violations(model(spec), policy(**rules), "dind")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_refuses_with_field_value_and_remedy_and_lets_through_what_it_allows(case: Case) -> None:
    assert broken(case.good, **{case.rule: case.allowed}) == []
    assert broken(case.bad) == []
    (sentence,) = broken(case.bad, **{case.rule: case.allowed})
    assert sentence.startswith(case.told)
    assert f", or ask an administrator to change policy.rules.{case.remedy or case.rule} of the chart." in sentence


def test_every_rule_has_cases() -> None:
    names = {field.alias for field in PolicyRules.model_fields.values()}
    assert names - {"namespaces"} == {case.rule for case in CASES}


@pytest.mark.parametrize(
    ("namespace", "allowed"), [("builds", True), ("ci-7", True), ("builds-2", False), ("ci", False)]
)
def test_namespaces(namespace: str, *, allowed: bool) -> None:
    made = DindEnvironment.from_dict(environment({}, namespace=namespace))
    found = violations(made, policy(namespaces=["builds", "ci-*"]), "dind")
    assert (found == []) is allowed
    assert all(sentence.startswith(f"metadata.namespace {namespace} is not allowed") for sentence in found)


def test_without_rules_everything_goes_and_all_broken_rules_are_told() -> None:
    spec = {"disruptionPolicy": "Protect", "daemon": {"image": "docker:28"}}
    assert broken(spec) == []
    assert len(broken(spec, images=[], disruptionPolicies=["Allow"], tolerations=[])) == 2


def test_the_class_of_the_installation_is_what_a_user_namespace_gets() -> None:
    made = model({"security": {"mode": "UserNamespace"}})
    assert violations(made, policy(runtimeClasses=["own"]), "own") == []
    assert violations(made, policy(runtimeClasses=["own"]), "dind")


def test_classes_are_restricted_with_tolerations_unless_they_have_a_rule() -> None:
    kata = {"security": {"runtimeClassName": "kata"}}
    assert broken(kata, images=[]) == []
    assert len(broken(kata, tolerations=[])) == 1
    assert broken(kata, tolerations=[], runtimeClasses=["kata"]) == []
    made = model({"security": {"mode": "UserNamespace"}})
    assert violations(made, policy(tolerations=[]), "own") == []


CREATED, LATEST = "2025-06-01T10:00:00Z", "2025-06-08T10:00:00Z"


@pytest.mark.parametrize(
    ("until", "told"),
    [
        (LATEST, ""),
        ("2020-01-01T00:00:00Z", ""),
        ("2025-02-31T00:00:00Z", ""),  # no time, and the operator takes it for none
        ("", ""),
        ("2025-06-08T10:00:01Z", f"2025-06-08T10:00:01Z is later than {LATEST}, the latest time that the policy"),
        ("9999-12-31T23:59:59Z", f"9999-12-31T23:59:59Z is later than {LATEST},"),
        # Times that the operator would take, in forms that an admission policy cannot compare.
        (
            "2025-06-08T10:00:00+14:00",
            "2025-06-08T10:00:00+14:00 does not have the time format that the policy",
        ),
        ("20300101T000000Z", "20300101T000000Z does not have the time format that"),
        ("x" * 200, "x" * 128 + "… does not have the time format that"),
    ],
)
def test_an_extension_is_bounded_by_the_longest_time_to_live(until: str, told: str) -> None:
    made = environment({"lifetime": {"idleTimeout": "1h"}})
    made["metadata"] |= {"creationTimestamp": CREATED, "annotations": {"dind.dev/extend-until": until}}
    found = violations(DindEnvironment.from_dict(made), policy(maxTtl="7d"), "dind")
    assert [sentence.split("extend-until ")[1].startswith(told) for sentence in found] == [True] * bool(told)
    assert all(sentence.endswith("policy.rules.maxTtl of the chart.") for sentence in found)
    assert violations(DindEnvironment.from_dict(made), policy(requireTtl=False), "dind") == []


def test_ttl_and_extension_are_both_told() -> None:
    made = environment({"lifetime": {"ttl": "8d"}})
    made["metadata"] |= {"creationTimestamp": CREATED, "annotations": {"dind.dev/extend-until": "2030-01-01T00:00:00Z"}}
    found = violations(DindEnvironment.from_dict(made), policy(maxTtl="7d"), "dind")
    assert [sentence.split()[0] for sentence in found] == ["spec.lifetime.ttl", "metadata.annotations"]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("images", ["registry.test*"]),
        ("images", ["*"]),
        ("images", ["docker:*"]),  # docker:5000/evil/image would be another registry
        ("images", ["a b"]),
        ("images", ["i"] * (MAX_ENTRIES + 1)),
        ("images", ["i" * (MAX_ENTRY_LENGTH + 1)]),
        ("modes", ["Root"]),
        ("tolerations", [""]),
        ("tolerations", ["key:Sometimes"]),
        ("daemonArgs", ["--mtu=1"]),
        ("maxResources", {"cpu": "many"}),
        ("nodeSelector", {"a=b": "c"}),
        ("namespaces", ["Builds"]),
        ("maxTtl", "1h30m"),
        ("maxTtl", "366d"),
        ("maxGracePeriod", 600),
        ("requireTtl", "often"),
        ("unknown", []),
    ],
)
def test_what_is_no_rule_is_refused(rule: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        policy(**{rule: value})


def test_the_schema_of_the_chart_has_the_same_rules_and_bounds() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["policy"]["properties"]["rules"]
    ours = PolicyRules.model_json_schema(by_alias=True)["properties"]
    assert schema["properties"].keys() == ours.keys()
    for name, theirs in schema["properties"].items():
        mine = next(choice for choice in ours[name]["anyOf"] if choice["type"] != "null")
        if mine["type"] in ("string", "boolean"):
            assert theirs["type"] == [mine["type"], "null"]
            assert theirs.get("maxLength") == mine.get("maxLength")
            continue
        assert theirs.get("maxItems", theirs.get("maxProperties")) == MAX_ENTRIES, name
        assert theirs.get("items", {}).get("pattern") == mine.get("items", {}).get("pattern"), name
    assert schema["properties"]["maxTtl"]["pattern"] == DURATION_PATTERN

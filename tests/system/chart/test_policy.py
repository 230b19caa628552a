"""The installation's policy: off by default, fail-closed, and one set of rules for the API server and the operator.

What the API server makes of it is in tests/integration/environments/test_policy.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from tests.helm import CHART, Helm, Manifests
from tests.policy_cases import CASES

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.policy.field_rules import KEYS
from dind_operator.features.policy.rules import PolicyRules, violations

KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
NAME = "dind-operator-policy"
DELETION = "dind-operator-deletion"
# On without the policy: it is about the operator, and test_rbac.py looks at it.
ACCOUNT = "dind-operator-account"
RULES = {case.rule: case.allowed for case in reversed(CASES)} | {"namespaces": ["builds", "ci-*"]}


def policy(**values: Any) -> dict[str, Any]:
    return {"policy": {"enabled": True, **values}}


def in_force(manifests: Manifests) -> set[str]:
    """The names of policies for environments, which have a binding of the same name each."""
    policies, bindings = ({item["metadata"]["name"] for item in manifests.of(kind)} for kind in KINDS)
    assert policies == bindings
    return policies - {ACCOUNT}


def of_the_operator(manifests: Manifests) -> PolicyRules | None:
    (container,) = manifests.one("Deployment")["spec"]["template"]["spec"]["containers"]
    found = [item["value"] for item in container["env"] if item["name"] == "DIND_POLICY_RULES"]
    return PolicyRules.model_validate(json.loads(found[0])) if found else None


def test_it_is_off_by_default(defaults: Manifests) -> None:
    assert in_force(defaults) == set()
    assert of_the_operator(defaults) is None


def test_without_it_the_rules_are_not_in_force(helm: Helm) -> None:
    manifests = helm.template({"policy": {"rules": RULES}})
    assert in_force(manifests) == set()
    assert of_the_operator(manifests) is None


def test_what_cannot_be_evaluated_lets_nothing_through(helm: Helm) -> None:
    manifests = helm.template(policy())
    assert in_force(manifests) == {NAME, DELETION}
    deletion = manifests.one("ValidatingAdmissionPolicy", DELETION)["spec"]
    assert (deletion["failurePolicy"], len(deletion["validations"])) == ("Fail", 2)
    spec = manifests.one("ValidatingAdmissionPolicy", NAME)["spec"]
    assert spec["failurePolicy"] == "Fail"
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE", "UPDATE"], ["dindenvironments"])
    binding = manifests.one("ValidatingAdmissionPolicyBinding", NAME)["spec"]
    assert binding == {"policyName": NAME, "validationActions": ["Deny"]}
    # With a ConfigMap for parameters an API server may go on by old ones, or none: decision 17.
    assert "paramKind" not in spec


def variables(manifests: Manifests) -> dict[str, str]:
    found = manifests.one("ValidatingAdmissionPolicy", NAME)["spec"]["variables"]
    return {item["name"]: item["expression"] for item in found}


def test_both_get_the_same_rules(helm: Helm) -> None:
    manifests = helm.template(policy(rules=RULES) | {"hostPath": {"allowedPrefixes": ["/srv/a", "/srv/b"]}})
    rules = of_the_operator(manifests)
    assert rules == PolicyRules.model_validate(RULES)
    given = variables(manifests)
    assert given.keys() >= RULES.keys()
    assert json.loads(given["images"]) == list(rules.images or ())
    assert json.loads(given["maxResources"]) == ["cpu=8", "memory=16Gi"]
    assert json.loads(given["hostPathPrefixes"]) == ["/srv/a", "/srv/b"]
    assert (json.loads(given["maxTtl"]), json.loads(given["requireTtl"])) == ("7d", True)


def test_no_class_and_an_empty_list_are_told_from_no_rule(helm: Helm) -> None:
    given = variables(helm.template(policy(rules={"runtimeClasses": ["", "dind"], "tolerations": []})))
    assert json.loads(given["runtimeClasses"]) == ["(none)", "dind"]
    assert json.loads(given["tolerations"]) == []
    assert "images" not in given


def test_classes_are_restricted_with_tolerations(helm: Helm) -> None:
    own = {"userNamespaces": {"runtimeClass": {"name": "own"}}}
    given = variables(helm.template(policy(rules={"tolerations": []}) | own))
    assert json.loads(given["runtimeClasses"]) == ["(none)", "own"]
    assert "runtimeClasses" not in variables(helm.template(policy(rules={"images": []})))


def test_a_demand_that_is_taken_back_is_none(helm: Helm) -> None:
    assert len(validations(helm.template(policy(rules={"requireTtl": False})))) == 2
    assert len(validations(helm.template(policy(rules={"requireTtl": True})))) == 3


def validations(manifests: Manifests) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifests.one("ValidatingAdmissionPolicy", NAME)["spec"]["validations"]
    return found


def test_every_rule_has_a_validation_with_a_sentence(helm: Helm) -> None:
    found = validations(helm.template(policy(rules=RULES)))
    # Folders of nodes and service accounts, which are no rules of these; extensions, which maxTtl bounds too; images and
    # limits of workloads; fields that stand for keys; Secrets of registries; those of the bundle and the proxy.
    assert len(found) == len(RULES) + 9
    assert len(validations(helm.template(policy()))) == 2  # folders of nodes and service accounts: none is a rule too
    text = json.dumps([item["messageExpression"] for item in found])
    for field in PolicyRules.model_fields.values():
        assert f"policy.rules.{field.alias} of the chart" in text
    for item in found:
        assert item["message"].startswith(("spec.", "metadata.", "The field has"))
        assert item["reason"] == "Forbidden"


def test_the_chart_knows_the_same_fields_for_keys_as_the_operator(helm: Helm) -> None:
    variables = {
        item["name"]: item["expression"]
        for item in helm.template(policy(rules=RULES)).one(KINDS[0], NAME)["spec"]["variables"]
    }
    told = re.findall(r"'spec\.(\S+) \((\S+) in daemon\.json\)'", variables["refusedFields"])
    assert told == list(KEYS.items())


def documented() -> list[dict[str, Any]]:
    """The values and the environment that docs/policy.md shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", (CHART.parents[1] / "docs" / "policy.md").read_text(), re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def test_the_worked_example_works(helm: Helm) -> None:
    values, manifest = documented()[:2]
    rules = of_the_operator(helm.template(values))
    assert rules is not None
    assert None not in rules.model_dump().values(), "it shows every rule"
    manifest["metadata"]["uid"] = "u"
    assert violations(DindEnvironment.from_dict(manifest), rules, "dind") == []
    anything = DindEnvironment.from_dict({**manifest, "spec": {}})
    assert violations(anything, rules, "dind")[0].startswith("spec.security.mode Privileged is not allowed")


def test_the_operator_alone_may_enforce_it(helm: Helm) -> None:
    manifests = helm.template(policy(admission=False, rules=RULES))
    assert in_force(manifests) == set()
    assert of_the_operator(manifests) == PolicyRules.model_validate(RULES)

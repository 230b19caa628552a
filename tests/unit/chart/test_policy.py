"""The installation's policy: off by default, fail-closed, and one set of rules for the API server and the operator.

What the API server makes of it is in tests/integration/environments/test_policy.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.helm import NAMESPACE, REQUIRED, Helm, Manifests, merged
from tests.policy_cases import CASES

from dind_operator.build.guardrails import GuardRails

KINDS = ("ConfigMap", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
NAME = "dind-operator-policy"
RULES = {case.rule: case.allowed for case in reversed(CASES)} | {"namespaces": ["builds", "ci-*"]}


def policy(**values: Any) -> dict[str, Any]:
    return {"policy": {"enabled": True, **values}}


def of_the_operator(manifests: Manifests) -> GuardRails | None:
    (container,) = manifests.one("Deployment")["spec"]["template"]["spec"]["containers"]
    found = [item["value"] for item in container["env"] if item["name"] == "DIND_GUARD_RAILS"]
    return GuardRails.model_validate(json.loads(found[0])) if found else None


def test_it_is_off_by_default(defaults: Manifests) -> None:
    assert [item for kind in KINDS for item in defaults.of(kind)] == []
    assert of_the_operator(defaults) is None


def test_without_it_the_rules_are_not_in_force(helm: Helm) -> None:
    manifests = helm.template({"policy": {"rules": RULES}})
    assert [item for kind in KINDS for item in manifests.of(kind)] == []
    assert of_the_operator(manifests) is None


def test_what_cannot_be_asked_lets_nothing_through(helm: Helm) -> None:
    manifests = helm.template(policy())
    spec = manifests.one("ValidatingAdmissionPolicy", NAME)["spec"]
    binding = manifests.one("ValidatingAdmissionPolicyBinding", NAME)["spec"]
    assert spec["failurePolicy"] == "Fail"
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE", "UPDATE"], ["dindenvironments"])
    assert binding["paramRef"] == {"name": NAME, "namespace": NAMESPACE, "parameterNotFoundAction": "Deny"}
    assert (binding["policyName"], binding["validationActions"]) == (NAME, ["Deny"])
    assert manifests.one("ConfigMap", NAME)["metadata"]["namespace"] == NAMESPACE


def test_both_get_the_same_rules(helm: Helm) -> None:
    manifests = helm.template(policy(rules=RULES) | {"hostPath": {"allowedPrefixes": ["/srv/a", "/srv/b"]}})
    rails = of_the_operator(manifests)
    assert rails == GuardRails.model_validate(RULES)
    data = manifests.one("ConfigMap", NAME)["data"]
    assert data.keys() == RULES.keys() | {"defaultRuntimeClass", "hostPathPrefixes"}
    assert data["images"].split("\n") == list(rails.images or ())
    assert data["maxResources"] == "cpu=8\nmemory=16Gi"
    assert data["hostPathPrefixes"] == "/srv/a\n/srv/b"


def test_no_class_and_an_empty_list_are_told_from_no_rule(helm: Helm) -> None:
    data = helm.template(policy(rules={"runtimeClasses": ["", "dind"], "tolerations": []})).one("ConfigMap")["data"]
    assert data["runtimeClasses"] == "(none)\ndind"
    assert data["tolerations"] == ""
    assert "images" not in data


def test_every_rule_has_a_validation(helm: Helm) -> None:
    spec = helm.template(policy()).one("ValidatingAdmissionPolicy", NAME)["spec"]
    text = json.dumps(spec["validations"])
    for field in GuardRails.model_fields.values():
        assert f"policy.rules.{field.alias} of the chart" in text
    for validation in spec["validations"]:
        assert validation["message"].startswith(("spec.", "metadata."))
        assert validation["messageExpression"].endswith(('.chart."', 'chart.")[0]', 'spec.storage."', 'of the chart."'))
        assert validation["reason"] == "Forbidden"


def test_the_operator_alone_may_enforce_it(helm: Helm) -> None:
    manifests = helm.template(policy(admission=False, rules=RULES))
    assert [item for kind in KINDS for item in manifests.of(kind)] == []
    assert of_the_operator(manifests) == GuardRails.model_validate(RULES)


@pytest.mark.parametrize(("version", "fine"), [("1.29.9", False), ("1.30.0", True), ("1.34.1-gke.5", True)])
def test_a_cluster_without_admission_policies_is_told(helm: Helm, version: str, *, fine: bool) -> None:
    done = helm.try_template(merged(REQUIRED, policy()), kube_version=version)
    assert (done.returncode == 0) is fine
    assert fine or "Set policy.admission to false" in done.stderr
    assert helm.try_template(merged(REQUIRED, policy(admission=False)), kube_version=version).returncode == 0

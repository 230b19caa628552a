"""Whom the operator serves, and what it may make for him."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.objects import POLICY, environment, model, namespace, observed

from dind_operator.api.conditions import Reason
from dind_operator.features.policy.admission import broken, served
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.state.observed import Observed

ENDS = {"deletionTimestamp": "2025-06-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("seen", "with_label", "without"),
    [
        (observed(), True, True),
        (observed(space=namespace(labelled=False)), False, True),
        (replace(observed(), namespace=None), False, True),
        (observed(environment(None, **ENDS)), False, False),
        (observed(space=namespace(ending=True)), False, False),
    ],
    ids=["open", "closed", "not seen yet", "ends", "its namespace ends"],
)
def test_who_is_served(seen: Observed, *, with_label: bool, without: bool) -> None:
    assert served(seen, POLICY) is with_label
    assert served(seen, replace(POLICY, require_namespace_label=False)) is without


def test_what_is_broken_is_told_in_one_text() -> None:
    asked = model({"disruptionPolicy": "Protect"})
    assert broken(asked, POLICY) is None
    rules = PolicyRules.model_validate({"disruptionPolicies": ["Allow"], "requireTtl": True})
    told = broken(asked, replace(POLICY, policy_rules=rules))
    assert told is not None
    assert told.ready.reason == Reason.POLICY_VIOLATION
    assert told.ready.message.startswith("spec.disruptionPolicy Protect is not allowed")
    assert ". spec.lifetime.ttl is not set" in told.ready.message


def test_without_rights_on_secrets_no_endpoint_is_served() -> None:
    without = replace(POLICY, serves_endpoints=False)
    told = broken(model(), without)
    assert told is not None
    assert told.ready.reason == Reason.ENDPOINTS_NOT_SERVED
    assert "Set spec.endpoint.enabled to false" in told.ready.message
    assert broken(model({"endpoint": {"enabled": False}}), without) is None

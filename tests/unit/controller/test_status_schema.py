"""Whatever a status holds, what is written fits its schema, and says as much as it can."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import POLICY, condition, environment, node, observed, running_pod

from dind_operator.api.status import MESSAGE_MAX_LENGTH, DindEnvironmentStatus
from dind_operator.controller.decide import make_plan
from dind_operator.controller.status_schema import essential, fitted

GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def status() -> dict[str, Any]:
    found = make_plan(observed(environment(), running_pod(), node=node()), POLICY).status
    assert found is not None
    return found


def test_a_status_that_fits_is_not_touched() -> None:
    found = status()
    assert fitted(found) is found


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("registryMirrors", ["https://m.example.com/" + "x" * 600], None),
        ("registryMirrors", ["https://m.example.com"] * 20, ["https://m.example.com"] * 16),
        ("restarts", "many", "absent"),
        ("unknown", 1, "absent"),
        ("node", {"kernelVersion": "6.1", "unknown": 1}, {"kernelVersion": "6.1"}),
    ],
)
def test_what_does_not_fit_is_clipped_or_left_out_and_the_rest_stays(field: str, value: Any, kept: Any) -> None:
    whole = status()
    before = copy.deepcopy(whole)
    found = fitted(whole | {field: value})
    assert whole == before
    assert {key: found[key] for key in before if key != field} == {key: before[key] for key in before if key != field}
    if kept == "absent":
        assert field not in found
    elif kept is not None:
        assert found[field] == kept
    DindEnvironmentStatus.model_validate(found)


def test_a_message_that_is_too_long_is_clipped() -> None:
    whole = status()
    whole["conditions"][0]["message"] = "m" * (MESSAGE_MAX_LENGTH + 1)
    found = fitted(whole)
    assert found["conditions"][0]["message"] == "m" * (MESSAGE_MAX_LENGTH - 1) + "…"
    assert len(found["conditions"]) == len(whole["conditions"])


@given(st.dictionaries(st.sampled_from([*DindEnvironmentStatus.model_json_schema()["properties"], "other"]), GARBAGE))
def test_any_status_is_made_to_fit(wrong: dict[str, Any]) -> None:
    found = fitted(status() | wrong)
    assert found.get("phase") or "phase" in wrong
    if found != essential(status() | wrong):
        DindEnvironmentStatus.model_validate(found)


def test_the_smaller_status_has_what_the_operator_goes_by() -> None:
    kept = {
        "lifetime": {"expiresAt": "2030-01-01T00:00:00Z"},
        "recreations": 3,
        "recreateAfter": "2030-01-01T00:00:00Z",
    }
    found = essential(status() | kept)
    assert found.keys() == {"phase", "observedGeneration", "conditions", *kept}
    assert [item["type"] for item in found["conditions"]] == ["Ready"]
    assert condition(found, "Ready")["status"] == "True"

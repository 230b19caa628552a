"""When a budget is looked at, made, made anew and removed. The real API server has its say in tests/integration."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import POLICY, UID, environment, model, namespace, observed, running_pod

from dind_operator.api.conditions import Reason
from dind_operator.controller.api_errors import ClusterError, ErrorClass, StaleError, error_of
from dind_operator.controller.budget_writer import Budgets
from dind_operator.features.disruption.condition import may_exist, reported
from dind_operator.features.disruption.desired import disruption_budget
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import ObjectKind
from dind_operator.state.observed import Observed, Policy

PROTECT = {"disruptionPolicy": "Protect"}
TOLD = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "DisruptionProtected",
            "status": "True",
            "reason": "PodDisruptionBudgetReady",
            "message": "m",
            "lastTransitionTime": "2025-06-01T10:00:00Z",
        }
    ],
}


class Recorder:
    """Answers with one budget, and keeps what was asked of it in order."""

    def __init__(self, budget: dict[str, Any] | None = None, error: ClusterError | None = None) -> None:
        self.found = budget
        self.error = error
        self.calls: list[str] = []
        self.replaced: dict[str, Any] | None = None

    async def owned(self, kind: ObjectKind, key: tuple[str, str]) -> dict[str, Any] | None:
        assert kind is ObjectKind.POD_DISRUPTION_BUDGET
        self.calls.append("get")
        return self.found

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> None:
        self.calls.append("create")
        if self.error is not None:
            raise self.error

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> None:
        self.calls.append(f"replace {manifest['metadata']['uid']}")
        self.replaced = manifest

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        self.calls.append(f"delete {seen['metadata']['uid']}")

    async def verify(self) -> None:
        self.calls.append("verify")


def own(**spec: Any) -> dict[str, Any]:
    manifest = disruption_budget(model(PROTECT))
    manifest["metadata"]["uid"] = "b1"
    manifest["spec"] |= spec
    return manifest


def others(owners: list[dict[str, Any]]) -> dict[str, Any]:
    manifest = own()
    manifest["metadata"]["ownerReferences"] = owners
    return manifest


def settle(cluster: Recorder, seen: Observed, policy: Policy = POLICY) -> Condition | None:
    return asyncio.run(Budgets(cluster, policy).reconcile(("team-a", "builder"), seen, cluster.verify))  # type: ignore[arg-type]


def test_an_environment_that_never_asked_costs_no_call() -> None:
    cluster = Recorder()
    assert settle(cluster, observed()) is None
    assert cluster.calls == []


def test_it_is_made_after_a_live_look_at_the_environment_and_told() -> None:
    cluster = Recorder()
    part = settle(cluster, observed(environment(PROTECT)))
    assert cluster.calls == ["get", "verify", "create"]
    assert part is not None
    assert (part.status, part.reason) == ("True", Reason.POD_DISRUPTION_BUDGET_READY)


def test_one_that_is_right_is_left_alone() -> None:
    cluster = Recorder(own())
    part = settle(cluster, observed(environment(PROTECT)))
    assert cluster.calls == ["get"]
    assert part is not None
    assert part.reason is Reason.POD_DISRUPTION_BUDGET_READY


def test_one_that_was_changed_is_replaced_with_what_others_added_to_its_labels() -> None:
    seen = own(minAvailable=0)
    seen["metadata"]["labels"]["team"] = "x"
    cluster = Recorder(seen)
    part = settle(cluster, observed(environment(PROTECT)))
    assert part is not None
    assert part.reason is Reason.POD_DISRUPTION_BUDGET_READY
    assert cluster.calls == ["get", "verify", "replace b1"]
    assert cluster.replaced is not None
    assert cluster.replaced["spec"] == own()["spec"]
    assert cluster.replaced["metadata"]["labels"]["team"] == "x"


@pytest.mark.parametrize(
    "seen",
    [
        environment({}, status=None) | {"status": TOLD},
        # The operator ended between making it and saying so, and the spec was changed meanwhile.
        environment({}, generation=2) | {"status": {"observedGeneration": 1}},
    ],
    ids=["told", "changed unseen"],
)
def test_one_that_is_not_wanted_any_more_is_removed(seen: dict[str, Any]) -> None:
    assert may_exist(observed(seen))
    cluster = Recorder(own())
    assert settle(cluster, observed(seen)) is None
    assert cluster.calls == ["get", "verify", "delete b1"]


def test_the_policy_takes_it_away() -> None:
    policy = replace(POLICY, policy_rules=PolicyRules.model_validate({"disruptionPolicies": ["Allow"]}))
    cluster = Recorder(own())
    assert settle(cluster, observed(environment(PROTECT)), policy) is None
    assert cluster.calls == ["get", "verify", "delete b1"]


@pytest.mark.parametrize(
    ("owners", "reason"),
    [
        ([], Reason.POD_DISRUPTION_BUDGET_MISSING),
        (
            [
                {
                    "apiVersion": "dind.dev/v1alpha1",
                    "kind": "DindEnvironment",
                    "name": "builder",
                    "uid": "old",
                    "controller": True,
                }
            ],
            Reason.WAITING_FOR_PREVIOUS_POD,
        ),
    ],
)
def test_somebody_elses_is_told_and_not_touched(owners: list[dict[str, Any]], reason: Reason) -> None:
    cluster = Recorder(others(owners))
    part = settle(cluster, observed(environment(PROTECT)))
    assert part is not None
    assert (part.status, part.reason) == ("False", reason)
    assert settle(cluster, observed(environment({}) | {"status": TOLD})) is None
    assert cluster.calls == ["get", "get"]


@pytest.mark.parametrize(
    "seen",
    [
        observed(environment(PROTECT, deletionTimestamp="2025-06-01T12:00:00Z") | {"status": TOLD}),
        observed(environment(PROTECT) | {"status": TOLD}, space=namespace(labelled=False)),
        observed(environment(PROTECT) | {"status": TOLD}, space=namespace(ending=True)),
        observed(environment({"unknown": 1, **PROTECT}) | {"status": TOLD}),
    ],
    ids=["ends", "closed", "namespace ends", "unreadable"],
)
def test_where_nothing_may_be_done_what_was_told_stays(seen: Observed) -> None:
    cluster = Recorder()
    part = settle(cluster, seen)
    assert cluster.calls == []
    assert part is not None
    assert part.message == "m"


def test_for_a_pod_that_may_not_be_made_there_is_none_and_one_that_runs_keeps_its_own() -> None:
    policy = replace(POLICY, policy_rules=PolicyRules.model_validate({"modes": ["UserNamespace"]}))
    cluster = Recorder(own())
    assert settle(cluster, observed(environment(PROTECT), running_pod()), policy) is not None
    assert cluster.calls == ["get"]
    assert settle(cluster, observed(environment(PROTECT)), policy) is None
    assert cluster.calls[1:] == ["get", "verify", "delete b1"]


def test_for_what_is_about_to_be_deleted_nothing_is_made() -> None:
    env = environment(
        PROTECT | {"lifetime": {"ttl": "1m", "expire": "Delete"}}, creationTimestamp="2025-05-01T00:00:00Z"
    )
    env["status"] = {"lifetime": {"expired": {"reason": "TTLExpired", "time": "2025-05-01T00:01:00Z"}}}
    cluster = Recorder()
    assert settle(cluster, observed(env)) is None
    assert cluster.calls == []


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (403, 'User "x" cannot create resource "poddisruptionbudgets"', Reason.FORBIDDEN),
        (403, "exceeded quota: count/poddisruptionbudgets.policy", Reason.POD_DISRUPTION_BUDGET_MISSING),
        (500, "webhook does not answer", Reason.POD_DISRUPTION_BUDGET_MISSING),
    ],
)
def test_a_refusal_is_told_and_holds_up_no_pod(code: int, message: str, reason: Reason) -> None:
    cluster = Recorder(error=error_of(code, {"message": message}))
    part = settle(cluster, observed(environment(PROTECT)))
    assert part is not None
    assert (part.status, part.reason) == ("False", reason)
    assert message in part.message


def test_who_wants_none_does_not_hear_that_none_may_be_looked_for() -> None:
    class Refusing(Recorder):
        async def owned(self, kind: ObjectKind, key: tuple[str, str]) -> dict[str, Any] | None:
            raise error_of(403, {"message": 'User "x" cannot get resource "poddisruptionbudgets"'})

    changed = environment({}, generation=2) | {"status": {"observedGeneration": 1}}
    assert settle(Refusing(), observed(changed)) is None
    asking = settle(Refusing(), observed(environment(PROTECT)))
    assert asking is not None
    assert asking.reason is Reason.FORBIDDEN


def test_a_reason_that_is_not_ours_is_dropped() -> None:
    odd = copy.deepcopy(TOLD)
    odd["conditions"][0]["reason"] = "Whatever"  # type: ignore[index]
    assert reported(observed(environment({}) | {"status": odd})) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (error_of(409, {"reason": "AlreadyExists"}), StaleError),
        (ClusterError(ErrorClass.RETRY, "no answer"), ClusterError),
        (error_of(429, {}), ClusterError),
    ],
)
def test_what_may_be_otherwise_in_a_moment_is_tried_again(error: ClusterError, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        settle(Recorder(error=error), observed(environment(PROTECT)))


def test_a_new_environment_that_asks_for_none_is_not_looked_at() -> None:
    assert not may_exist(observed(environment({}, uid=UID)))

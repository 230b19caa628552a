"""Evictions, as a drain of a node makes them: refused where the environment asks for it, and only there.

The API server and the disruption controller are real; the test plays the kubelet.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.api import ApiError, Object, pods
from tests.integration.harness.calls import Answer, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.integration.harness.waiting import until

PROTECT = {"disruptionPolicy": "Protect"}


def budgets(space: Space) -> str:
    return f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets"


def budget(space: Space) -> Object | None:
    return space.api.get(f"{budgets(space)}/one")


def evict(space: Space) -> ApiError | None:
    """As `kubectl drain` does it with each pod; the answer if it is refused."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one", "namespace": space.name}}
    try:
        space.api.create(f"{pods(space.name)}/one/eviction", body)
    except ApiError as error:
        return error
    return None


def counted(space: Space) -> bool:
    """The disruption controller has seen the pod."""
    found = budget(space) or {}
    status = found.get("status") or {}
    seen = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
    return bool(seen and status.get("expectedPods") == 1 and status.get("currentHealthy") == 1)


@pytest.fixture
def protected(operator: RunningOperator, space: Space, kubelet: Kubelet) -> Object:
    """A pod that runs, of an environment that asks for protection."""
    space.create(spec=PROTECT)
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_reason("DisruptionBudget", kind="DisruptionProtected")
    until(lambda: counted(space), "the disruption controller counting the pod", instead=lambda: budget(space))
    return pod


def test_an_eviction_is_refused_and_without_the_budget_it_is_not(
    protected: Object, space: Space, kubelet: Kubelet
) -> None:
    refused = evict(space)
    assert refused is not None
    assert refused.code == 429
    assert "disruption budget" in refused.text
    same = space.pod()
    assert same is not None
    assert same["metadata"]["uid"] == protected["metadata"]["uid"]
    space.change({"disruptionPolicy": "Allow"})
    until(lambda: budget(space) is None, "the budget being removed")
    until(lambda: not space.condition("DisruptionProtected"), "nothing being told of it any more")
    assert space.pod()["metadata"]["uid"] == protected["metadata"]["uid"], "no pod is replaced for it"  # type: ignore[index]
    assert evict(space) is None
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=protected))
    space.wait_reason("Ready")


def test_a_daemon_too_busy_to_answer_is_protected_too(protected: Object, space: Space, kubelet: Kubelet) -> None:
    kubelet.busy(protected)
    until(lambda: (budget(space) or {})["status"].get("currentHealthy") == 0, "the pod being counted as unwell")
    refused = evict(space)
    assert refused is not None
    assert refused.code == 429


def test_deleting_the_pod_is_not_held_up_and_the_next_is_protected(
    protected: Object, space: Space, kubelet: Kubelet
) -> None:
    space.delete_pod()
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=protected))
    space.wait_reason("Ready")
    until(lambda: counted(space), "the new pod being counted")
    refused = evict(space)
    assert refused is not None
    assert refused.code == 429


def test_it_goes_with_its_environment(protected: Object, space: Space, kubelet: Kubelet) -> None:
    space.remove()
    kubelet.finish(space.wait_going())
    until(lambda: budget(space) is None, "the garbage collector removing it")


def edit(space: Space) -> None:
    space.api.patch(f"{budgets(space)}/one", {"spec": {"minAvailable": 0}})


def delete(space: Space) -> None:
    space.api.delete(f"{budgets(space)}/one")


@pytest.mark.parametrize("harm", [edit, delete])
def test_one_that_was_harmed_is_made_anew(start: Operators, space: Space, harm: Callable[[Space], None]) -> None:
    start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=PROTECT)
    first = until(lambda: budget(space), "the budget")
    harm(space)
    again = until(
        lambda: (found := budget(space)) and found["metadata"]["uid"] != first["metadata"]["uid"] and found,
        "another budget",
    )
    assert isinstance(again, dict)
    assert again["spec"]["minAvailable"] == 1


def test_at_rest_nothing_is_written(start: Operators, space: Space, kubelet: Kubelet) -> None:
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=PROTECT)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_reason("DisruptionBudget", kind="DisruptionProtected")
    operator.wait_resyncs(1)
    before = len(operator.proxy.writes())
    operator.wait_resyncs(3)
    assert [str(call) for call in operator.proxy.writes()[before:]] == []


def test_somebody_elses_budget_of_the_name_is_told_and_left(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    theirs = {"metadata": {"name": "one"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    made = space.api.create(budgets(space), theirs)
    space.create(spec=PROTECT)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    told = space.wait_reason("DisruptionBudgetMissing", kind="DisruptionProtected")
    assert "Delete or rename it" in told["message"]
    kept = budget(space)
    assert kept is not None
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
    assert operator.proxy.count(on("delete", "poddisruptionbudgets")) == 0


def test_a_missing_right_is_told_beside_a_daemon_that_works(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    words = 'User "x" cannot create resource "poddisruptionbudgets" in API group "policy"'
    operator.proxy.fault(on("create", "poddisruptionbudgets"), Answer(403, "Forbidden", words), times=None)
    space.create(spec=PROTECT)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    assert words in space.wait_reason("Forbidden", kind="DisruptionProtected")["message"]
    assert evict(space) is None


def test_a_spec_that_changed_while_no_operator_looked_leaves_no_budget_behind(start: Operators, space: Space) -> None:
    """The operator ended after it had made the budget and before it could say so."""
    first = start().wait_ready()
    first.proxy.fault(on("patch", "dindenvironments/status"), Answer(500, "InternalError", "not now"), times=None)
    space.create(spec=PROTECT)
    until(lambda: budget(space), "the budget")
    first.kill()
    assert not space.condition("DisruptionProtected")
    space.change({"disruptionPolicy": "Allow"})
    start().wait_ready()
    until(lambda: budget(space) is None, "the budget being removed")

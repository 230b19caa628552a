"""Evictions, as a drain of a node makes them: refused where the environment asks for it, and only there.

The API server and the disruption controller are real; the test plays the kubelet.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import ApiError, Object
from tests.live import condition

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


def wait_counted(space: Space, healthy: int = 1) -> None:
    """The disruption controller has seen the pod."""

    def counted(found: Object | None) -> bool:
        status = (found or {}).get("status") or {}
        seen = status.get("observedGeneration") == (found or {}).get("metadata", {}).get("generation")
        return bool(seen and status.get("expectedPods") == 1 and status.get("currentHealthy") == healthy)

    space.wait(budgets(space), "one", counted, f"with {healthy} healthy pods")


def wait_no_budget(space: Space) -> None:
    space.wait(budgets(space), "one", lambda found: found is None, "gone")


@pytest.fixture
def protected(operator: RunningOperator, space: Space, kubelet: Kubelet) -> Object:
    """A pod that runs, of an environment that asks for protection."""
    space.create(spec=PROTECT)
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_reason("PodDisruptionBudgetReady", kind="DisruptionProtected")
    wait_counted(space)
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
    wait_no_budget(space)
    space.wait_environment(lambda found: not condition(found, "DisruptionProtected"), "nothing told of it any more")
    assert space.pod()["metadata"]["uid"] == protected["metadata"]["uid"], "no pod is replaced for it"  # type: ignore[index]
    assert evict(space) is None
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=protected))
    space.wait_reason("Ready")


def test_a_daemon_too_busy_to_answer_is_protected_too(protected: Object, space: Space, kubelet: Kubelet) -> None:
    kubelet.busy(protected)
    wait_counted(space, healthy=0)
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
    wait_counted(space)
    refused = evict(space)
    assert refused is not None
    assert refused.code == 429


def test_it_goes_with_its_environment(protected: Object, space: Space, kubelet: Kubelet) -> None:
    space.remove()
    kubelet.finish(space.wait_going())
    wait_no_budget(space)  # the garbage collector removes it


def edit(space: Space) -> None:
    space.api.patch(f"{budgets(space)}/one", {"spec": {"minAvailable": 0}})


def delete(space: Space) -> None:
    space.api.delete(f"{budgets(space)}/one")


@pytest.mark.parametrize("harm", [edit, delete])
def test_one_that_was_harmed_is_put_right(start: Operators, space: Space, harm: Callable[[Space], None]) -> None:
    start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=PROTECT)
    first = space.wait(budgets(space), "one", bool, "there") or {}
    harm(space)
    # Each change of the spec is another generation, and each object another uid.
    before = first["metadata"]["uid"], first["metadata"]["generation"]
    again = space.wait(
        budgets(space),
        "one",
        lambda found: found and (found["metadata"]["uid"], found["metadata"]["generation"]) != before and _right(found),
        "as desired, and not as it was made first",
    )
    assert again is not None


def _right(budget: Object) -> bool:
    return bool(budget["spec"]["minAvailable"] == 1)


def test_at_rest_nothing_is_written(start: Operators, space: Space, kubelet: Kubelet) -> None:
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=PROTECT)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_reason("PodDisruptionBudgetReady", kind="DisruptionProtected")
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
    told = space.wait_reason("PodDisruptionBudgetMissing", kind="DisruptionProtected")
    assert "PodDisruptionBudget one (controlled by no owner)" in told["message"]
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
    space.wait(budgets(space), "one", bool, "there")
    first.kill()
    assert not space.condition("DisruptionProtected")
    space.change({"disruptionPolicy": "Allow"})
    start().wait_ready()
    wait_no_budget(space)

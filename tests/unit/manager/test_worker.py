"""Which event names which environment. What then happens is tested against a real API server."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.aio import client

from dind_operator.manager.cache import ClusterView
from dind_operator.manager.client import ApiCluster
from dind_operator.manager.metrics import Metrics
from dind_operator.manager.worker import Controller
from dind_operator.state.cluster import Key

KEY = ("team-a", "builder")


class Bed:
    """A controller that runs nothing: only its queue is looked at."""

    def __init__(self) -> None:
        # No call is made, so the client needs no server.
        self.controller = Controller(ApiCluster(client.ApiClient()), Metrics(), workers=1, resync_seconds=300)
        self.controller.attach(ClusterView(), None)  # type: ignore[arg-type]

    def queued(self) -> set[Key]:
        found = set(self.controller.queue._ready)
        self.controller.queue._ready.clear()
        return found


@pytest.fixture
async def bed() -> Bed:
    return Bed()


def thing(name: str = "builder", version: int = 1, **metadata: Any) -> dict[str, Any]:
    base = {"namespace": "team-a", "name": name, "uid": "u", "generation": 1, "resourceVersion": str(version)}
    return {"metadata": base | metadata}


async def test_a_new_environment_is_looked_at(bed: Bed) -> None:
    bed.controller.environment_event(None, thing())
    assert bed.queued() == {KEY}


async def test_our_own_status_is_passed_over(bed: Bed) -> None:
    bed.controller.environment_event("ADDED", thing())
    bed.queued()
    bed.controller.environment_event("MODIFIED", thing(version=2) | {"status": {"phase": "Running"}})
    assert bed.queued() == set()


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"uid": "u2"},
        {"deletionTimestamp": "2025-06-01T12:00:00Z"},
        {"annotations": {"dind.dev/extend-until": "2025-06-01T12:00:00Z"}},
    ],
)
async def test_a_change_that_matters_is_not(bed: Bed, change: dict[str, Any]) -> None:
    bed.controller.environment_event("ADDED", thing())
    bed.queued()
    bed.controller.environment_event("MODIFIED", thing(version=2, **change))
    assert bed.queued() == {KEY}


async def test_an_environment_made_again_with_the_same_content_is_looked_at(bed: Bed) -> None:
    bed.controller.environment_event("ADDED", thing())
    bed.controller.environment_event("DELETED", thing())
    bed.queued()
    bed.controller.environment_event("ADDED", thing())
    assert bed.queued() == {KEY}


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED", "DELETED"])
async def test_every_event_of_a_pod_names_its_environment(bed: Bed, kind: str | None) -> None:
    bed.controller.pod_event(kind, thing())
    assert bed.queued() == {KEY}


async def test_the_creation_of_a_pod_by_the_operator_is_passed_over_and_its_changes_are_not(bed: Bed) -> None:
    bed.controller.view.learn_pod(KEY, thing())
    bed.controller.pod_event("ADDED", thing())
    assert bed.queued() == set()
    bed.controller.view.learn_pod(KEY, thing(version=2))
    for event in (("MODIFIED", 2), ("ADDED", 1), (None, 2), ("ADDED", 3), ("MODIFIED", 4)):
        bed.controller.pod_event(event[0], thing(version=event[1]))
        assert bed.queued() == {KEY}


async def test_a_pod_that_went_is_forgotten(bed: Bed) -> None:
    bed.controller.view.learn_pod(KEY, thing(version=9))
    bed.controller.pod_event("DELETED", thing())
    assert bed.controller.view.pod(KEY) is None


async def test_a_namespace_that_changed_names_all_of_its_environments_and_no_other(bed: Bed) -> None:
    bed.controller.environment_event(None, thing())
    bed.controller.environment_event(None, thing("x", namespace="team-b", uid="x"))
    bed.queued()
    bed.controller.namespace_event("MODIFIED", {"metadata": {"name": "team-a", "uid": "s", "resourceVersion": "2"}})
    assert bed.queued() == {KEY}


async def test_before_the_first_lists_it_is_not_ready_and_not_stuck(bed: Bed) -> None:
    assert bed.controller.unready() == "the initial lists are not complete"
    assert bed.controller.stuck() is None


async def test_before_the_first_lists_nothing_waits_for_a_worker(bed: Bed) -> None:
    """The API server does not answer: another operator would fare no better."""
    bed.controller.queue.add(KEY)
    bed.controller.queue._ready[KEY] -= 301
    assert bed.controller.stuck() is None


async def test_the_first_lists_are_one_of_each_kind_and_any_other_is_a_relist(bed: Bed) -> None:
    for plural in ("pods", "namespaces"):
        bed.controller.listed(plural)
    assert not bed.controller._first_lists.is_set()
    bed.controller.listed("dindenvironments")
    assert bed.controller._first_lists.is_set()
    assert not bed.controller._relist.is_set()
    bed.controller.listed("pods")
    assert bed.controller._relist.is_set()


async def test_a_stuck_queue_and_a_stuck_worker_are_told(bed: Bed) -> None:
    queue = bed.controller.queue
    bed.controller._resynced.set()
    queue.add(KEY)
    queue._ready[KEY] -= 301
    assert bed.controller.stuck() == "an environment has been waiting for a worker for 301 s"
    queue._active[KEY] = queue._ready.pop(KEY) + 301 - 181
    assert bed.controller.stuck() == "a worker has been reconciling one environment for 181 s"

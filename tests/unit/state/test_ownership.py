"""Whose pod it is."""

from typing import Any

import pytest
from tests.unit.objects import environment, running_pod

from dind_operator.api.conditions import Reason
from dind_operator.state.ownership import conflict, orphaned


def pod_of(owners: list[dict[str, Any]] | None) -> dict[str, Any]:
    pod = running_pod()
    pod["metadata"] |= {"ownerReferences": owners, "annotations": {}}
    return pod


OURS = environment()["metadata"]
OWN = running_pod()["metadata"]["ownerReferences"][0]


def test_no_pod_and_our_own_pod_are_no_strangers() -> None:
    assert conflict(None, OURS) is None
    assert conflict(running_pod(), OURS) is None


@pytest.mark.parametrize(
    ("owners", "reason"),
    [
        ([OWN | {"uid": "earlier"}], Reason.WAITING_FOR_PREVIOUS_POD),
        ([OWN | {"uid": "earlier", "apiVersion": "dind.dev/v1"}], Reason.WAITING_FOR_PREVIOUS_POD),
        ([], Reason.POD_CONFLICT),
        (None, Reason.POD_CONFLICT),
        ([OWN | {"controller": False}], Reason.POD_CONFLICT),
        ([OWN | {"uid": "x", "kind": "ReplicaSet", "apiVersion": "apps/v1"}], Reason.POD_CONFLICT),
        ([OWN | {"uid": "x", "apiVersion": "dind.dev.example.com/v1"}], Reason.POD_CONFLICT),
        ([OWN | {"uid": "x", "name": "another"}], Reason.POD_CONFLICT),
    ],
)
def test_a_stranger_is_waited_for_or_reported(owners: list[dict[str, Any]] | None, reason: Reason) -> None:
    assessment = conflict(pod_of(owners), OURS)
    assert assessment is not None
    assert assessment.ready.reason is reason


def test_a_pod_of_ours_that_nobody_controls_was_left_behind() -> None:
    left, foreign = running_pod(), running_pod()
    left["metadata"]["ownerReferences"] = []
    assert orphaned(left)
    found = conflict(left, OURS)
    assert found is not None
    assert found.ready.reason is Reason.WAITING_FOR_PREVIOUS_POD
    assert not orphaned(running_pod()), "it has an owner"
    foreign["metadata"] |= {"ownerReferences": [], "labels": {}}
    assert not orphaned(foreign), "anybody may write an annotation"


def test_a_conflict_names_who_holds_the_name() -> None:
    assessment = conflict(
        pod_of([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "x", "controller": True}]),
        OURS,
    )
    assert assessment is not None
    assert "StatefulSet db" in assessment.ready.message

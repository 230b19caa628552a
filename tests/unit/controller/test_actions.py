"""Plans and actions are values: compared by content, never changed after they were made."""

import dataclasses

import pytest

from dind_operator.controller.actions import NOTHING, DeletePod, Plan


def test_nothing_is_nothing() -> None:
    assert Plan() == NOTHING
    assert (NOTHING.actions, NOTHING.status, NOTHING.requeue_after, NOTHING.events) == ((), None, None, ())


def test_a_delete_is_graceful_unless_said_otherwise() -> None:
    assert DeletePod("uid") == DeletePod("uid", force=False)


def test_a_plan_cannot_be_changed_between_planning_and_applying() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NOTHING.status = {}  # type: ignore[misc]

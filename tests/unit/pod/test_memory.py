"""The arithmetic between the daemon and what is nested in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import SETTINGS, spec

from dind_operator.api.conditions import Reason
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.memory import memory_volume_bytes, plan_memory

MI = 2**20


def fields(limit: str | None = None, reserve: str | None = None, volume: str | None = None) -> dict[str, Any]:
    daemon: dict[str, Any] = {}
    if limit is not None:
        daemon["resources"] = {"limits": {"memory": limit}}
    if reserve is not None:
        daemon["reserve"] = {"memory": reserve}
    storage = {"emptyDir": {"medium": "Memory", "sizeLimit": volume}} if volume is not None else {"emptyDir": {}}
    return {"daemon": daemon, "storage": storage}


def test_without_a_limit_the_reserve_is_said_for_the_one_that_a_limitrange_may_set() -> None:
    plan = plan_memory(spec(fields()), SETTINGS)
    assert (plan.limit, plan.reserve, plan.held_back, plan.nested) == (None, "256Mi", 256 * MI, None)
    assert plan_memory(spec(fields(volume="1Gi")), SETTINGS).held_back == (256 + 1024) * MI


def test_the_default_reserve_is_held_back() -> None:
    plan = plan_memory(spec(fields("1Gi")), SETTINGS)
    assert (plan.limit, plan.reserve, plan.held_back, plan.nested) == (1024 * MI, "256Mi", 256 * MI, 768 * MI)


def test_the_users_reserve_wins() -> None:
    assert plan_memory(spec(fields("1Gi", "100Mi")), SETTINGS).nested == 924 * MI


def test_a_reserve_of_zero_holds_nothing_back() -> None:
    plan = plan_memory(spec(fields("1Gi", "0")), SETTINGS)
    assert (plan.held_back, plan.nested) == (0, 1024 * MI)


def test_a_volume_in_memory_is_held_back_whole() -> None:
    plan = plan_memory(spec(fields("8Gi", "512Mi", "4Gi")), SETTINGS)
    assert plan.nested == (8 * 1024 - 512 - 4 * 1024) * MI


def test_a_volume_on_disk_costs_no_memory() -> None:
    assert memory_volume_bytes(spec({"storage": {"emptyDir": {"sizeLimit": "20Gi"}}})) == 0


@pytest.mark.parametrize(
    ("limit", "reserve", "volume"), [("256Mi", None, None), ("200Mi", None, None), ("1Gi", None, "800Mi")]
)
def test_nothing_left_for_nested_containers_is_refused_with_a_limit_that_works(
    limit: str, reserve: str | None, volume: str | None
) -> None:
    with pytest.raises(UnbuildableError) as caught:
        plan_memory(spec(fields(limit, reserve, volume)), SETTINGS)
    assert caught.value.reason is Reason.MEMORY_LIMIT_TOO_LOW
    assert limit in caught.value.message
    remedy = caught.value.message.split("above ")[1].split()[0].removesuffix("Mi")
    assert plan_memory(spec(fields(f"{int(remedy) + 1}Mi", reserve, volume)), SETTINGS).nested == MI


@given(st.integers(1, 2**45), st.integers(0, 2**45), st.integers(1, 2**45))
def test_the_parts_are_never_more_than_the_whole(limit: int, reserve: int, volume: int) -> None:
    asked = fields(
        str(limit), str(reserve) if reserve < limit else None, str(volume) if volume < limit - reserve else None
    )
    try:
        plan = plan_memory(spec(asked), SETTINGS)
    except UnbuildableError:
        assert limit <= 256 * MI + volume
        return
    assert plan.limit is not None
    assert plan.held_back is not None
    assert plan.nested is not None
    assert plan.nested > 0
    assert plan.nested + plan.held_back == plan.limit == limit

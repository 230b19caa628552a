"""What a decision costs: an environment that is as it should be is decided on again and again."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import FrameType
from typing import Any

from tests.unit import objects

from dind_operator.controller.decide import make_plan
from dind_operator.controller.reconciler import status_changes
from dind_operator.state.observed import Observed

# A count and no time: it is the same on every machine.
MOST_CALLS = 300


def settled() -> Observed:
    """A healthy environment with an endpoint, whose status says all there is to say."""
    environment, pod = objects.environment(), objects.running_pod(credentials=objects.CREDENTIALS)
    for _ in range(2):
        observed = objects.observed(environment, pod, node=objects.node(), endpoint=objects.ENDPOINT)
        environment = {**environment, "status": make_plan(observed, objects.POLICY).status}
    return objects.observed(environment, pod, node=objects.node(), endpoint=objects.ENDPOINT)


def calls(observed: Observed) -> Counter[str]:
    """How often each Python function is called in one decision."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            counted[frame.f_code.co_qualname] += 1

    # Hypothesis, which other tests use, has itself called by the garbage collector.
    gc.disable()
    sys.setprofile(count)
    try:
        make_plan(observed, objects.POLICY)
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


def test_a_decision_about_a_healthy_environment_is_cheap_and_parses_nothing_twice() -> None:
    observed = settled()
    plan = make_plan(observed, objects.POLICY)
    assert (plan.actions, plan.events) == ((), ())
    assert status_changes(observed.environment["status"], plan.status or {}) == {}
    counted = calls(observed)
    assert sum(counted.values()) <= MOST_CALLS, counted.most_common(30)
    parsing = ("daemon_pod", "BaseModel.model_validate", "Decoder.decode", "plan_memory")
    assert {name: counted[name] for name in parsing if counted[name]} == {}

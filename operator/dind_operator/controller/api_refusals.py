"""A call that the API server refused or failed to do: a condition that says why, and no loop.

What was refused is not retried by time alone. The next look comes with a change of the environment or its namespace, or with
the resync, and writes nothing if the answer is the same. What failed is retried by the queue, and told until it works.
"""

from dataclasses import replace
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason, find_condition, read_conditions
from dind_operator.api.status import Phase
from dind_operator.controller.actions import Plan
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.events import say
from dind_operator.state.assessment import Condition, blocked
from dind_operator.state.observed import Observed


def refused(observed: Observed, plan: Plan, error: ClusterError) -> Plan:
    """The status after one of the plan's actions was refused. What the plan had to say of the pod's failure stays said."""
    assessment = blocked(error.reason or Reason.ADMISSION_DENIED, error.message)
    if error.error_class is ErrorClass.RETRY:
        assessment = replace(assessment, phase=Phase.RECOVERING, ready=_as_told(observed, assessment.ready))
    return say(observed, assessment, extra=_kept(plan))


def _as_told(observed: Observed, part: Condition) -> Condition:
    """Such sentences name ports, times and attempts: the first one stays as long as it goes on, or each try would write."""
    old = find_condition(read_conditions(observed.environment.get("status") or {}), ConditionType.READY)
    generation = observed.environment["metadata"].get("generation", 0)
    if old is None or (old.reason, old.observed_generation) != (part.reason, generation):
        return part
    return replace(part, message=old.message)


def _kept(plan: Plan) -> dict[str, Any]:
    """The time of the next attempt: without it the same failure would be counted again."""
    return {"recreateAfter": (plan.status or {}).get("recreateAfter")}

"""The status after the API server rejected or failed to process a request.

A rejected request is retried when the environment or its namespace changes, and at the next resync. The status is not written
again if the error is the same. A request that failed is retried by the queue.
"""

from dataclasses import replace
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason, find_condition, read_conditions
from dind_operator.api.status import Phase
from dind_operator.controller.actions import Plan
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.events import plan_with_status
from dind_operator.state.assessment import Condition, blocked
from dind_operator.state.observed import Observed


def refused(observed: Observed, plan: Plan, error: ClusterError) -> Plan:
    """The status after an action of the plan failed. The backoff in the status of the plan is kept."""
    assessment = blocked(error.reason or Reason.ADMISSION_DENIED, error.message)
    if error.error_class is ErrorClass.RETRY:
        assessment = replace(
            assessment, phase=Phase.RECOVERING, ready=_with_reported_message(observed, assessment.ready)
        )
    return plan_with_status(observed, assessment, extra=_kept(plan))


def _with_reported_message(observed: Observed, condition: Condition) -> Condition:
    """The condition with the reported message, if only the message differs. Ports and times in it may change with each try."""
    old = find_condition(read_conditions(observed.environment.get("status") or {}), ConditionType.READY)
    generation = observed.environment["metadata"].get("generation", 0)
    if old is None or (old.reason, old.observed_generation) != (condition.reason, generation):
        return condition
    return replace(condition, message=old.message)


def _kept(plan: Plan) -> dict[str, Any]:
    """The time of the next attempt. Without it, the same failure would be counted again."""
    return {"recreateAfter": (plan.status or {}).get("recreateAfter")}

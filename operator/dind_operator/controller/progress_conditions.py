"""The conditions Reconciling, Stalled and Finished, from which generic tools (Helm 4, Flux, kubectl wait) read progress.

They follow kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus): they are present only while they are
True. kstatus takes a resource with Stalled for failed, one with Reconciling for in progress, and else goes by Ready.
"""

from typing import Final

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import Phase
from dind_operator.state.assessment import Assessment, Condition

_RECONCILING: Final = frozenset((Phase.PENDING, Phase.STARTING, Phase.RECOVERING, Phase.SUSPENDING))
_FINISHED: Final = frozenset((Reason.WORKLOADS_SUCCEEDED, Reason.WORKLOADS_FAILED, Reason.WORKLOADS_LOST))


def progress_conditions(assessment: Assessment) -> dict[ConditionType, Condition]:
    """The conditions for an assessment, with the reason and the message of Ready."""
    ready, found = assessment.ready, {}
    if assessment.phase in _RECONCILING:
        found[ConditionType.RECONCILING] = Condition.true(ready.reason, ready.message)
    if assessment.phase is Phase.FAILED:
        found[ConditionType.STALLED] = Condition.true(ready.reason, ready.message)
    elif assessment.refused is not None:
        found[ConditionType.STALLED] = Condition.true(assessment.refused.reason, assessment.refused.message)
    if ready.reason in _FINISHED:
        found[ConditionType.FINISHED] = Condition.true(ready.reason, ready.message)
    return found

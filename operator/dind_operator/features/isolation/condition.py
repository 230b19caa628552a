"""The condition IsolationVerified: whether nested containers run in the pod's cgroup. The helper in the pod starts one to check.

The condition is absent if the result is unknown, and it is valid for one start of the daemon.
"""

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import IsolationReport
from dind_operator.state.observed import Observed

_REASONS = (Reason.ISOLATION_VERIFIED, Reason.ISOLATION_FAILED)
EVENT_REASONS = (Reason.ISOLATION_FAILED,)


def condition(observed: Observed) -> Condition | None:
    """The condition from the observed report, or the stored one if there is no new report."""
    if observed.pod is None:
        return None
    if observed.isolation is not None:
        return _part(observed.isolation)
    return observed.kept_of_daemon(ConditionType.ISOLATION_VERIFIED, _REASONS)


def _part(report: IsolationReport) -> Condition | None:
    if report.inside is None:
        return None
    if report.inside:
        return Condition.true(
            Reason.ISOLATION_VERIFIED,
            "A container that was started through the Docker API runs in a cgroup below the cgroup of the pod.",
        )
    return Condition.false(
        Reason.ISOLATION_FAILED,
        "A container that was started through the Docker API runs outside the cgroup of the pod "
        f"({report.detail or 'unknown'}), so the limits of the pod do not apply to it. Use the daemon image of the project, or an "
        "image with an unmodified dockerd, and delete the pod.",
    )

"""The condition IsolationVerified: whether nested containers run in the pod's cgroup. The helper in the pod starts one to check.

A daemon that cannot start it can start no other, and is not ready.

The condition is absent if the result is unknown, and it is valid for one start of the daemon.
"""

from dind_operator.api.conditions import ConditionStatus, ConditionType, Reason
from dind_operator.api.status import Phase, clip
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.node_reports import IsolationReport
from dind_operator.state.observed import Observed

_REASONS = (Reason.ISOLATION_VERIFIED, Reason.ISOLATION_FAILED, Reason.CONTAINERS_CANNOT_START)
EVENT_REASONS = (Reason.ISOLATION_FAILED,)
_MAX_DETAIL = 500


def condition(observed: Observed) -> Condition | None:
    """The condition from the observed report, or the stored one if there is no new report."""
    if observed.pod is None:
        return None
    if observed.isolation is not None:
        return _part(observed.isolation)
    return observed.kept_of_daemon(ConditionType.ISOLATION_VERIFIED, _REASONS)


def refused(observed: Observed) -> bool:
    """Whether the status says that the daemon cannot start containers. It may have become able to since."""
    return bool(observed.reported(ConditionType.ISOLATION_VERIFIED).get("reason") == Reason.CONTAINERS_CANNOT_START)


def assess(assessment: Assessment, observed: Observed, _pod: pods.Pod) -> Assessment:
    """Not ready while the daemon cannot start containers."""
    report = observed.isolation
    if assessment.ready.status is not ConditionStatus.TRUE or (report is not None and not report.startRefused):
        return assessment
    found = condition(observed) if report is not None or refused(observed) else None
    return Assessment(Phase.FAILED, found, assessment.conditions, warning=True) if found is not None else assessment


def _part(report: IsolationReport) -> Condition | None:
    if report.startRefused:
        why = (
            clip(report.detail, _MAX_DETAIL) if report.detail else "the log of the container daemon contains the error"
        )
        return Condition.false(
            Reason.CONTAINERS_CANNOT_START,
            f"dockerd responds, but cannot start containers: {why}. If the message names runc or a namespace, set another image in "
            "spec.daemon.image. The operator checks this again every minute.",
        )
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

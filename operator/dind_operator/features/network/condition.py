"""The condition NetworkReady: whether addresses of nested networks conflict with others, and whether their MTU is too large.

The init container chooses and checks the networks before the daemon starts. Its report is the only source of the condition.
"""

from dind_operator.api.conditions import Reason
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import NetworkReport
from dind_operator.state.observed import Observed
from dind_operator.state.pod_failures import failure_of

EVENT_REASONS = (Reason.MTU_TOO_LARGE,)
"""Only this one: for problems that stop the daemon, the condition Ready records the Event."""
DOCKER_NETWORK_OPTS = 24
"""The first release of Docker with an MTU setting for all networks (default-network-opts)."""


def condition(observed: Observed) -> Condition | None:
    """The condition from the observed report; None without one, and for the report of an older node tool."""
    pod = observed.pod
    report = pods.preflight(pod) if pod is not None else None
    if pod is None or report is None:
        return None
    if report.error is not None and report.error.check == "Network":
        failure = failure_of(pod)
        return Condition.false(failure.reason, failure.message) if failure is not None else None
    return _part(report.network, _docker_major(observed, pod)) if report.network is not None else None


def _part(report: NetworkReport, docker: int | None) -> Condition:
    if report.mtu > report.interfaceMtu > 0:
        return Condition.false(
            Reason.MTU_TOO_LARGE,
            f"spec.network.mtu (or mtu in spec.daemon.config) is {report.mtu}, but the MTU of the pod's interface "
            f"{report.interface} is {report.interfaceMtu}. Larger packets are lost, and downloads hang without an error. Remove "
            f"mtu, or set mtu to {report.interfaceMtu} or less.",
        )
    return Condition.true(Reason.NETWORK_READY, " ".join(_sentences(report, docker)))


def _sentences(report: NetworkReport, docker: int | None) -> list[str]:
    said = []
    if report.bridge or report.pools:
        ranges = [f"bridge {report.bridge}"] if report.bridge else []
        ranges += [f"pools {', '.join(report.pools)}"] if report.pools else []
        said.append(f"No address conflicts: {'; '.join(ranges)}.")
    else:
        said.append("spec.daemon configures the addresses of nested networks.")
    if report.mtu:
        said.append(f"MTU {report.mtu}{f' (from {report.interface})' if report.mtu == report.interfaceMtu else ''}.")
        if docker is not None and docker < DOCKER_NETWORK_OPTS:
            said.append(
                f"Docker {docker} applies the MTU only to the default bridge. Create other networks with the option "
                f"com.docker.network.driver.mtu={report.mtu}, or use Docker {DOCKER_NETWORK_OPTS} or later."
            )
    if report.forwarder:
        said.append(
            "The nameservers of the pod have loopback or link-local addresses, so the bridge address forwards DNS queries."
        )
    return said


def _docker_major(observed: Observed, pod: pods.Pod) -> int | None:
    status = observed.environment.get("status") or {}
    version = (status.get("docker") or {}).get("serverVersion") if pods.same_start(status, pod) else None
    if observed.daemon is not None:
        version = observed.daemon.serverVersion
    major = str(version or "").partition(".")[0]
    return int(major) if major.isdecimal() else None

"""The condition EndpointReady, and whether the pod must be replaced for new certificates. Pure functions.

dockerd reads its certificate only at its start. The certificate in the Secret and the certificate of the running daemon can therefore
differ; the condition is about the latter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.spec import RestartPolicy, UpdatePolicy
from dind_operator.features.endpoint import service as endpoint
from dind_operator.features.endpoint.credentials import Credentials, Running, made_with, reported_credentials
from dind_operator.pod.variables import SOCKET
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.observed import Observed

RESTARTED_BEFORE = timedelta(days=7)
"""With updatePolicy Recreate, the operator replaces the pod so long before the certificate of its daemon expires."""
SECRET_DELAY = timedelta(minutes=5)
"""A kubelet updates a changed Secret in a running pod within its sync period plus the period of its cache, by default at most two
minutes. A container that starts later than this after the change reads the new Secret."""

EVENT_REASONS = (
    Reason.ENDPOINT_CONFLICT,
    Reason.ENDPOINT_OBJECT_REJECTED,
    Reason.CREDENTIALS_PENDING,
    Reason.CERTIFICATE_RENEWED,
    Reason.CERTIFICATE_EXPIRED,
)
_FOUND_BY_LOOKING = (Reason.ENDPOINT_CONFLICT, Reason.ENDPOINT_OBJECT_REJECTED)


@dataclass(frozen=True, slots=True)
class _Compared:
    held: Credentials
    running: Running


def enabled(environment: dict[str, Any]) -> bool:
    """Whether the stored spec enables the endpoint."""
    value = ((environment.get("spec") or {}).get("endpoint") or {}).get("enabled", True)
    return bool(value)


def in_use(pod: pods.Pod | None) -> bool:
    """Whether the pod listens on the port of the endpoint, or will."""
    return pod is not None and made_with(pod) is not None and not pods.ended(pod)


def address(environment: dict[str, Any], pod: pods.Pod, socket: str) -> str:
    """The address of the daemon, in the format of DOCKER_HOST."""
    metadata = environment["metadata"]
    if enabled(environment) and in_use(pod):
        return endpoint.url(metadata["name"], metadata["namespace"], pods.subdomain(pod))
    return f"unix://{socket}"


def credentials_now(observed: Observed) -> Credentials | None:
    """The credentials in the Secrets: as just observed, or as stored in status."""
    if observed.endpoint is not None:
        return observed.endpoint.credentials
    return reported_credentials(observed.environment.get("status") or {})


def pod_credentials(observed: Observed) -> str | None:
    """The variable of a new pod that identifies its certificate; None without an endpoint."""
    held = credentials_now(observed) if enabled(observed.environment) else None
    return held.server.text if held is not None else None


def status(observed: Observed) -> dict[str, Any]:
    """``status.credentials``."""
    if observed.endpoint is None:
        return {"credentials": (observed.environment.get("status") or {}).get("credentials")}
    held = observed.endpoint.credentials
    return {"credentials": held.status(observed.environment["metadata"]["name"]) if held is not None else None}


def pod_status(observed: Observed, pod: pods.Pod) -> dict[str, Any]:
    """``status.endpoint``, while the daemon responds."""
    answers = pods.daemon(pod).get("ready")
    return {"endpoint": address(observed.environment, pod, SOCKET) if answers else None}


def condition(observed: Observed) -> Condition | None:
    """The condition; None if it follows the state of the daemon."""
    found = problem(observed)
    if found is not None:
        return found
    if not enabled(observed.environment):
        return Condition.false(
            Reason.ENDPOINT_DISABLED, "The environment has no endpoint, because spec.endpoint.enabled is false."
        )
    pod = observed.pod
    if pod is None or not pods.daemon(pod).get("ready"):
        return None
    if not in_use(pod):
        return Condition.false(
            Reason.ENDPOINT_NOT_IN_POD,
            "The pod was created without an endpoint. The operator does not replace the pod for this. Delete the pod when "
            "convenient; the next pod has the endpoint.",
        )
    compared = _compare(observed, pod)
    return _of(compared, observed, pod) if compared is not None else None


def problem(observed: Observed) -> Condition | None:
    """The problem with the endpoint's objects, as just observed or as stored in status."""
    if observed.endpoint is not None:
        return observed.endpoint.problem
    return observed.kept(ConditionType.ENDPOINT_READY, _FOUND_BY_LOOKING)


def blocking(observed: Observed) -> Condition | None:
    """The problem, if no pod can be created because of it."""
    if observed.endpoint is not None:
        return observed.endpoint.problem if observed.endpoint.blocks else None
    return observed.kept(ConditionType.ENDPOINT_READY, _FOUND_BY_LOOKING)


def needs_restart(observed: Observed, pod: pods.Pod) -> bool:
    """Whether the daemon uses a revoked certificate, or one that expires soon, and the Secret contains a new one. False while a
    problem with the objects of the endpoint prevents a new pod."""
    if problem(observed) is not None or _runs_to_an_end(observed):
        return False
    compared = _compare(observed, pod) if enabled(observed.environment) and in_use(pod) else None
    if compared is None or compared.running.certificate == compared.held.server.certificate:
        return False
    revoked = compared.running.authority != compared.held.server.authority
    return revoked or observed.now >= compared.running.not_after - RESTARTED_BEFORE


def _runs_to_an_end(observed: Observed) -> bool:
    """Whether the workloads can complete. A run is not interrupted for a certificate."""
    workloads = (observed.environment.get("spec") or {}).get("workloads") or {}
    return bool(workloads) and workloads.get("restartPolicy", RestartPolicy.NEVER) != RestartPolicy.ALWAYS


def _compare(observed: Observed, pod: pods.Pod) -> _Compared | None:
    held, made = credentials_now(observed), made_with(pod)
    if held is None or made is None:
        return None
    started = _started(pod)
    read_anew = started is not None and started >= held.issued + SECRET_DELAY
    return _Compared(held, held.server if read_anew else made)


def _started(pod: pods.Pod) -> datetime | None:
    text = ((pods.daemon(pod).get("state") or {}).get("running") or {}).get("startedAt")
    return datetime.fromisoformat(text) if text else None


def _of(compared: _Compared, observed: Observed, pod: pods.Pod) -> Condition:
    held, running = compared.held, compared.running
    metadata = observed.environment["metadata"]
    where = endpoint.url(metadata["name"], metadata["namespace"], pods.subdomain(pod))
    secret = endpoint.client_secret_name(metadata["name"])
    end = format_time(running.not_after)
    if running.authority != held.server.authority:
        return Condition.false(
            Reason.CREDENTIALS_PENDING,
            f"The Secret {secret} contains credentials of a new certificate authority, but the daemon still uses the old one. It "
            f"accepts old certificates and rejects new ones until the pod is replaced. {_who_restarts(observed, None)}",
        )
    if observed.now >= running.not_after:
        return Condition.false(
            Reason.CERTIFICATE_EXPIRED,
            f"The certificate of the daemon expired at {end}, and clients reject it. Delete the pod; the next pod uses the new "
            "certificate.",
        )
    if running.certificate != held.server.certificate:
        return Condition.true(
            Reason.CERTIFICATE_RENEWED,
            f"The daemon listens at {where} with a certificate that expires at {end}. The daemon uses the new certificate in "
            f"the Secret after its next start. {_who_restarts(observed, running.not_after - RESTARTED_BEFORE)}",
        )
    return Condition.true(
        Reason.ENDPOINT_READY,
        f"The daemon listens at {where} and accepts clients with the certificate in the Secret {secret}.",
    )


def _who_restarts(observed: Observed, at: datetime | None) -> str:
    policy = (observed.environment.get("spec") or {}).get("updatePolicy", UpdatePolicy.RECREATE)
    if policy == UpdatePolicy.ON_DELETE:
        return "Delete the pod, because spec.updatePolicy is OnDelete."
    if _runs_to_an_end(observed):
        return "The operator does not replace a pod with running workloads; the daemon stops when they complete."
    if at is None:
        return "The operator replaces the pod."
    return f"Delete the pod when convenient; the operator replaces it after {format_time(at)}."

"""Expiry of environments by their time to live and idle timeout, computed from the observed state. Pure functions.

State that must survive a restart of the operator is in status or in the log of the pod, never in memory. Uncertainty always delays
the expiry: clock skew, late reports, an operator that did not run. An environment never expires without a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from dind_operator.api import names
from dind_operator.api.conditions import Reason, format_time
from dind_operator.api.lifetime import Expire, LifetimeSpec
from dind_operator.api.spec import OperatingMode
from dind_operator.api.status import Phase
from dind_operator.api.timestamps import parse_time
from dind_operator.state import ownership
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment
from dind_operator.state.cluster import Event
from dind_operator.state.observed import Observed
from dind_operator.state.periods import Periods

EXPIRES_SOON = "ExpiresSoon"
"""The reason of the Event that warns. It is no reason of a condition, because nothing is wrong before the expiry."""
LEAD_PART = 10
"""The warning is recorded when a tenth of the time is left, for example three minutes of half an hour."""
_STEADY = timedelta(seconds=30)
"""Two polls compute slightly different idle times, because of their delays. A smaller difference than this is not written to
status."""
_STEP_PART = 12
"""The helper logs the idle time again after each further twelfth of it (node/internal/activity)."""
_YEARS = range(2000, 9000)
"""Valid years of an extension. Computations with other times can overflow."""


@dataclass(frozen=True, slots=True)
class End:
    """An expiry in the past or future: its ``reason``, the setting (``what``), its time (``at``), and whether it can be delayed."""

    reason: Reason
    what: str
    at: datetime
    final: bool = False


@dataclass(frozen=True, slots=True)
class Lifetime:
    """``fields`` is ``status.lifetime``. ``expired``: the expiry that has passed. ``wait``: seconds until the next reconciliation."""

    fields: dict[str, Any] | None = None
    expired: End | None = None
    deletes: bool = False
    events: tuple[Event, ...] = ()
    wait: float | None = None


NO_END = Lifetime()


def of(observed: Observed) -> Lifetime:
    """The current state of the environment's lifetime."""
    spec = _spec(observed)
    if spec is None:
        return NO_END
    return _Computation(observed, spec).result()


def status(observed: Observed) -> dict[str, Any]:
    """``status.lifetime``."""
    return {"lifetime": of(observed).fields}


def events(observed: Observed, _assessment: Assessment) -> tuple[Event, ...]:
    """The warning before an environment expires."""
    return of(observed).events


def requeue(observed: Observed) -> float | None:
    """Seconds until the next warning or expiry."""
    return of(observed).wait


def warnings(status: Mapping[str, Any]) -> dict[str, str]:
    """The times of the warnings in a status."""
    lifetime = status.get("lifetime") or {}
    return {name: lifetime[name] for name in ("ttlWarnedAt", "idleWarnedAt") if name in lifetime}


def stopped(observed: Observed) -> bool:
    """Whether no pod is desired, because the environment is suspended or expired."""
    suspended = (observed.environment.get("spec") or {}).get("operatingMode") == OperatingMode.SUSPENDED
    return suspended or of(observed).expired is not None


def to_be_suspended(observed: Observed) -> bool:
    """Whether no pod is desired, and status does not report this yet."""
    phase = (observed.environment.get("status") or {}).get("phase")
    return stopped(observed) and phase != Phase.SUSPENDED


def to_be_deleted(observed: Observed) -> bool:
    """Whether the environment has expired and will be deleted. No objects are created for it."""
    life = of(observed)
    return life.expired is not None and life.deletes


def lead(whole: timedelta, periods: Periods) -> timedelta:
    """The time between the warning and the expiry, for a timeout of this length."""
    return min(max(whole / LEAD_PART, periods.notice), periods.max_lead)


def _spec(observed: Observed) -> LifetimeSpec | None:
    """The lifetime alone, so that an invalid field elsewhere in the spec does not prevent the expiry.

    Of a lifetime that is invalid itself each field that is valid counts.
    """
    raw = (observed.environment.get("spec") or {}).get("lifetime")
    if not isinstance(raw, dict) or not raw:
        return None
    try:
        return LifetimeSpec.model_validate(raw)
    except ValidationError:
        ends = [{key: raw[key]} for key in ("ttl", "idleTimeout") if _valid({key: raw[key]} if key in raw else {})]
        expire = {"expire": raw.get("expire")}
        if ends and _valid({**ends[0], **expire}):
            ends.append(expire)
        return (
            LifetimeSpec.model_validate({key: value for part in ends for key, value in part.items()}) if ends else None
        )


def _valid(raw: dict[str, Any]) -> bool:
    try:
        LifetimeSpec.model_validate(raw)
    except ValidationError:
        return False
    return True


class _Computation:
    """One computation. Its times use the clock of the API server if the operator's clock is ahead."""

    def __init__(self, observed: Observed, spec: LifetimeSpec) -> None:
        self.observed = observed
        self.spec = spec
        self.periods = observed.periods
        self.now = observed.now - observed.clock_skew
        stored = (observed.environment.get("status") or {}).get("lifetime") or {}
        self.old: dict[str, Any] = {**stored, **observed.unwritten_warnings}
        self.extended, self.not_a_time = _extension(observed.environment)
        mode = (observed.environment.get("spec") or {}).get("operatingMode")
        self.deletes = spec.expire is Expire.DELETE
        # A suspended environment has nothing left to suspend.
        self.suspended = mode == OperatingMode.SUSPENDED and not self.deletes
        self.fields: dict[str, Any] = {}
        self.events: list[Event] = []
        self.waits: list[float] = []

    def result(self) -> Lifetime:
        idle = self._idle_end()
        ttl = self._ttl_end()
        ends = [end for end in (ttl, idle) if end is not None]
        if ends:
            self.fields["expiresAt"] = format_time(min(end.at for end in ends))
        over = self._ttl_over(ttl) or self._idle_over(idle)
        if over is not None:
            self.fields["expired"] = self._expired(over)
        return Lifetime(
            fields=self.fields or None,
            expired=over,
            deletes=self.deletes and over is not None,
            events=() if over is not None else tuple(self.events),
            wait=min(self.waits) if self.waits and over is None else None,
        )

    # The time to live

    def _ttl_end(self) -> End | None:
        created = parse_time(self.observed.environment["metadata"].get("creationTimestamp"))
        if self.spec.ttl is None or created is None:
            return None
        at = self._extend(created + self.periods.length(self.spec.ttl))
        most = self.observed.max_ttl
        if most is not None and at > created + self.periods.length(most):
            what = f"the policy of this installation allows {most}"
            return End(Reason.TTL_EXPIRED, what, created + self.periods.length(most), final=True)
        return End(Reason.TTL_EXPIRED, f"spec.lifetime.ttl of {self.spec.ttl}", at)

    def _ttl_over(self, end: End | None) -> End | None:
        if end is None or self.suspended or self.spec.ttl is None:
            return None
        whole = self.observed.max_ttl if end.final and self.observed.max_ttl is not None else self.spec.ttl
        begins = end.at - lead(self.periods.length(whole), self.periods)
        warned = parse_time(self.old.get("ttlWarnedAt"))
        if warned is not None and warned >= begins - timedelta(seconds=1):
            self.fields["ttlWarnedAt"] = self.old["ttlWarnedAt"]
        elif self.now >= begins and not self._nothing_to_lose(end):
            warned = self._warn("ttlWarnedAt", end)
        else:
            warned = None
        if self.now >= end.at and (self._was(end) or self._nothing_to_lose(end) or self._noticed(warned)):
            return end
        following = begins if warned is None else max(end.at, warned + self.periods.notice)
        self.waits.append(max((following - self.now).total_seconds(), 0.1))
        return None

    def _nothing_to_lose(self, end: End) -> bool:
        """Whether the environment has expired without a pod. A warning would only create a pod for a minute."""
        return self.now >= end.at and not self.deletes and self.observed.pod is None

    # The idle timeout

    def _idle_end(self) -> End | None:
        since = self._idle_since()
        if since is None or self.spec.idle_timeout is None:
            return None
        self.fields["idleSince"] = format_time(since)
        at = self._extend(since + self.periods.length(self.spec.idle_timeout))
        return End(Reason.IDLE_TIMEOUT_EXCEEDED, f"spec.lifetime.idleTimeout of {self.spec.idle_timeout}", at)

    def _idle_since(self) -> datetime | None:
        if self.spec.idle_timeout is None or self.suspended:
            return None
        old = parse_time(self.old.get("idleSince"))
        if old is not None and self._ended_idle():
            # The environment remains expired until the timeout is raised. Its idle time then starts again.
            at = self._extend(old + self.periods.length(self.spec.idle_timeout))
            return old if self.now >= at else None
        pod, status = self.observed.pod, self.observed.environment.get("status") or {}
        if pod is None or _stopping(pod) or not pods.daemon(pod).get("ready"):
            return None
        if ownership.conflict(pod, self.observed.environment["metadata"]) is not None:
            return None  # the log belongs to another owner's pod
        known = old if pods.same_start(status, pod) else None
        activity = self.observed.activity
        if activity is None or not activity.seen:
            return known if activity is None else None
        return self._reported_since(timedelta(seconds=activity.idleSeconds), known) if activity.idle else None

    def _reported_since(self, idle: timedelta, known: datetime | None) -> datetime:
        """The latest possible time of the last use. The line may be as old as the interval between lines of the helper."""
        latest = (self.now - idle + timedelta(seconds=1)).replace(microsecond=0)
        step = min(max(idle / _STEP_PART, self.periods.min_step), self.periods.max_step)
        if known is not None and known - _STEADY <= latest <= known + step + _STEADY:
            return known
        return latest

    def _idle_over(self, end: End | None) -> End | None:
        if end is None or self.spec.idle_timeout is None:
            return None
        whole = self.periods.length(self.spec.idle_timeout)
        begins = end.at - lead(whole, self.periods)
        warned = parse_time(self.old.get("idleWarnedAt"))
        if warned is not None and warned >= max(end.at - whole, begins - _STEADY):
            self.fields["idleWarnedAt"] = self.old["idleWarnedAt"]
        else:
            warned = None
        if self._ended_idle():
            return end
        # Only a report that was just read: the environment may have been used since an older one.
        activity = self.observed.activity
        if activity is None or not activity.idle:
            return None
        idle = timedelta(seconds=activity.idleSeconds)
        if warned is None and idle >= whole - lead(whole, self.periods) and self.now >= begins:
            warned = self._warn("idleWarnedAt", end)
        over = idle >= whole and self.now >= end.at and self._noticed(warned)
        return end if over else None

    def _ended_idle(self) -> bool:
        """Whether the environment has expired because it was idle, and its pod is terminating or does not exist."""
        recorded = (self.old.get("expired") or {}).get("reason") == Reason.IDLE_TIMEOUT_EXCEEDED
        return recorded and (self.observed.pod is None or _stopping(self.observed.pod))

    # Both

    def _extend(self, at: datetime) -> datetime:
        return at if self.extended is None else max(at, self.extended)

    def _was(self, end: End) -> bool:
        return (self.old.get("expired") or {}).get("reason") == end.reason

    def _noticed(self, warned: datetime | None) -> bool:
        return warned is not None and self.now >= warned + self.periods.notice

    def _expired(self, end: End) -> dict[str, str]:
        return (
            dict(self.old["expired"]) if self._was(end) else {"reason": end.reason.value, "time": format_time(self.now)}
        )

    def _warn(self, field: str, end: End) -> datetime:
        self.fields[field] = format_time(self.now)
        at = max(end.at, self.now + self.periods.notice)
        result = "deleted" if self.deletes else "suspended: its pod is deleted, and everything else is kept"
        metadata = self.observed.environment["metadata"]
        action = "use it or run" if end.reason is Reason.IDLE_TIMEOUT_EXCEEDED else "run"
        remedy = f"To keep the environment, {action}: {extend_command(metadata)}{self.not_a_time}"
        if end.final:
            remedy = "It cannot be extended. Save what you need."
        message = f"The environment expires at {format_time(at)} ({end.what}) and is then {result}. {remedy}"
        self.events.append(Event(EXPIRES_SOON, message, warning=True))
        return self.now


def _stopping(pod: pods.Pod) -> bool:
    return pods.terminating(pod) or pods.ended(pod)


def expired_message(observed: Observed, end: End) -> str:
    """The message of an environment that has expired and is suspended."""
    field = "ttl" if end.reason is Reason.TTL_EXPIRED else "idleTimeout"
    _, not_a_time = _extension(observed.environment)
    remedy = (
        f"To resume the environment, increase or remove spec.lifetime.{field}, or run: "
        f"{extend_command(observed.environment['metadata'])}{not_a_time}"
    )
    if end.final:
        remedy = "To get a daemon again, delete the environment and create it again."
    expired = f"The environment expired at {format_time(end.at)} ({end.what})."
    return f"{expired} Its pod is deleted, and everything else is kept. {remedy}"


def extend_command(metadata: dict[str, Any]) -> str:
    """The command that extends an environment, with a placeholder for the time."""
    where = f"-n {metadata['namespace']} {metadata['name']}"
    return (
        f"kubectl annotate dind {where} --overwrite {names.ANNOTATION_EXTEND}=<time, for example 2030-01-31T18:00:00Z>"
    )


def _extension(environment: dict[str, Any]) -> tuple[datetime | None, str]:
    """The time until which the environment is extended, and a message if the annotation is invalid."""
    text = (environment["metadata"].get("annotations") or {}).get(names.ANNOTATION_EXTEND)
    if text is None:
        return None, ""
    moment = parse_time(text)
    if moment is not None and moment.tzinfo is not None and moment.year in _YEARS:
        return moment.astimezone(UTC), ""
    return None, (
        f" (The value {text[:40]!r} of the annotation {names.ANNOTATION_EXTEND} is ignored, because it is not a valid time. Use the "
        "format 2030-01-31T18:00:00Z.)"
    )

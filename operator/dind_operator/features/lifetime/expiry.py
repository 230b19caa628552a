"""When an environment expires: its time to live and its idle timeout, from what is observed. Pure.

What must outlive a restart of the operator is in status or in the pod's log, never in memory. Whatever is uncertain makes an
environment live longer: clocks that differ, news that are late, an operator that was away. Nothing expires without a warning.
"""

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
"""The Event before. Not a reason of a condition: until it expires nothing is wrong."""
LEAD_PART = 10
"""A tenth of the whole time before its end: three minutes of half an hour, an hour of a day."""
_STEADY = timedelta(seconds=30)
"""What is known of an idle time differs by the delays of two looks, which are no part of any minute; less than this is no news and is
not written."""
_STEP_PART = 12
"""The helper repeats that it is idle when the time has grown by a twelfth: image/dind-helper/activity.c."""
_YEARS = range(2000, 9000)
"""Of an extension: beyond, times cannot be computed with."""


@dataclass(frozen=True, slots=True)
class End:
    """A time that is over, or about to be: ``reason`` and ``what`` name it, ``at`` is when."""

    reason: Reason
    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lifetime:
    """``fields`` is ``status.lifetime``. ``over``: what has expired. ``wait``: seconds to the next moment that no event tells of."""

    fields: dict[str, Any] | None = None
    over: End | None = None
    deletes: bool = False
    events: tuple[Event, ...] = ()
    wait: float | None = None


NO_END = Lifetime()


def of(observed: Observed) -> Lifetime:
    """What is to be said and done about the environment's lifetime now."""
    spec = _spec(observed)
    if spec is None:
        return NO_END
    return _Look(observed, spec).result()


def status(observed: Observed) -> dict[str, Any]:
    """``status.lifetime``."""
    return {"lifetime": of(observed).fields}


def events(observed: Observed, _verdict: Assessment) -> tuple[Event, ...]:
    """The warning before an environment expires."""
    return of(observed).events


def requeue(observed: Observed) -> float | None:
    """Seconds to the next moment at which the lifetime asks for something."""
    return of(observed).wait


def rests(observed: Observed) -> bool:
    """There is to be no pod: by the spec, or because the environment has expired."""
    asked = (observed.environment.get("spec") or {}).get("operatingMode") == OperatingMode.SUSPENDED
    return asked or of(observed).over is not None


def to_be_suspended(observed: Observed) -> bool:
    """There is to be no pod, and the status does not say so yet."""
    told = (observed.environment.get("status") or {}).get("phase")
    return rests(observed) and told != Phase.SUSPENDED


def to_be_deleted(observed: Observed) -> bool:
    """The environment has expired and is about to be deleted: nothing is made for it any more."""
    life = of(observed)
    return life.over is not None and life.deletes


def lead(whole: timedelta, periods: Periods) -> timedelta:
    """How long before the end of a time of that length the warning comes."""
    return min(max(whole / LEAD_PART, periods.notice), periods.max_lead)


def _spec(observed: Observed) -> LifetimeSpec | None:
    """The lifetime by itself: what else is wrong with the spec does not stop the clock."""
    raw = (observed.environment.get("spec") or {}).get("lifetime")
    try:
        return LifetimeSpec.model_validate(raw) if raw else None
    except ValidationError:
        return None


class _Look:
    """One look. Times are by the API server's clock where the own one is ahead of it."""

    def __init__(self, observed: Observed, spec: LifetimeSpec) -> None:
        self.observed = observed
        self.spec = spec
        self.periods = observed.periods
        self.now = observed.now - observed.clock_skew
        self.old: dict[str, Any] = (observed.environment.get("status") or {}).get("lifetime") or {}
        self.extended, self.not_a_time = _extension(observed.environment)
        mode = (observed.environment.get("spec") or {}).get("operatingMode")
        self.deletes = spec.expire is Expire.DELETE
        # Nothing would be left to do.
        self.rests = mode == OperatingMode.SUSPENDED and not self.deletes
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
            over=over,
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
        return End(Reason.TTL_EXPIRED, f"spec.lifetime.ttl of {self.spec.ttl}", at)

    def _ttl_over(self, end: End | None) -> End | None:
        if end is None or self.rests or self.spec.ttl is None:
            return None
        begins = end.at - lead(self.periods.length(self.spec.ttl), self.periods)
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
        """It is over and there is no pod that would be missed: a warning would only make one for its minute."""
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
        if self.spec.idle_timeout is None or self.rests:
            return None
        old = parse_time(self.old.get("idleSince"))
        if old is not None and self._ended_idle():
            # What was expired stays so until the time is longer; then it begins anew.
            at = self._extend(old + self.periods.length(self.spec.idle_timeout))
            return old if self.now >= at else None
        pod, status = self.observed.pod, self.observed.environment.get("status") or {}
        if pod is None or _goes(pod) or not pods.daemon(pod).get("ready"):
            return None
        if ownership.conflict(pod, self.observed.environment["metadata"]) is not None:
            return None  # what it logs is another's text
        known = old if pods.same_start(status, pod) else None
        told = self.observed.activity
        if told is None or not told.seen:
            return known if told is None else None
        return self._told_since(timedelta(seconds=told.idleSeconds), known) if told.idle else None

    def _told_since(self, idle: timedelta, known: datetime | None) -> datetime:
        """The last use was at this time or before it. The line may be as old as the time to the helper's next one."""
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
        # What the helper says now, and not what was known: it may have been used since.
        told = self.observed.activity
        if told is None or not told.idle:
            return None
        idle = timedelta(seconds=told.idleSeconds)
        if warned is None and idle >= whole - lead(whole, self.periods) and self.now >= begins:
            warned = self._warn("idleWarnedAt", end)
        over = idle >= whole and self.now >= end.at and self._noticed(warned)
        return end if over else None

    def _ended_idle(self) -> bool:
        """It has expired for being idle, and the pod that could be used is gone or going."""
        recorded = (self.old.get("expired") or {}).get("reason") == Reason.IDLE_TIMEOUT_EXCEEDED
        return recorded and (self.observed.pod is None or _goes(self.observed.pod))

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
        self.events.append(
            Event(
                EXPIRES_SOON,
                f"The environment expires at {format_time(at)} ({end.what}) and is then {result}. To keep the environment, "
                f"{action}: {extend_command(metadata)}{self.not_a_time}",
                warning=True,
            )
        )
        return self.now


def _goes(pod: pods.Pod) -> bool:
    return pods.terminating(pod) or pods.ended(pod)


def ended(observed: Observed, end: End) -> str:
    """What is wrong and what to do, of an environment that has expired and is suspended."""
    field = "ttl" if end.reason is Reason.TTL_EXPIRED else "idleTimeout"
    _, not_a_time = _extension(observed.environment)
    return (
        f"The environment expired at {format_time(end.at)} ({end.what}). Its pod is deleted, and everything else is kept. To resume "
        f"the environment, increase or remove spec.lifetime.{field}, or run: "
        f"{extend_command(observed.environment['metadata'])}{not_a_time}"
    )


def extend_command(metadata: dict[str, Any]) -> str:
    """What extends an environment: a command but for the time."""
    where = f"-n {metadata['namespace']} {metadata['name']}"
    return (
        f"kubectl annotate dind {where} --overwrite {names.ANNOTATION_EXTEND}=<time, for example 2030-01-31T18:00:00Z>"
    )


def _extension(environment: dict[str, Any]) -> tuple[datetime | None, str]:
    """The time until which the environment is extended, and a sentence if the annotation holds none."""
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

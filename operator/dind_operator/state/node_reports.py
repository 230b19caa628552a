"""Reports of programs in the pod: results of the init container, termination messages and log lines of the daemon.

Tenants control the containers that write them. So reports are parsed into validated fields with limits, and everything else is
dropped.
"""

import json
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+~_:/ ()-]{0,99}$")]
"""A version, a driver or a file system. Sentences and markup do not match."""
Sentence = Annotated[
    str,
    StringConstraints(min_length=1, max_length=3000),
    AfterValidator(lambda text: "".join(character if character.isprintable() else " " for character in text)),
]
"""The message of a check. It may quote the output of a program, so characters that are not printable become spaces."""
Profile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./:][A-Za-z0-9.+~_:/&@ ()-]{0,255}$")]
"""An AppArmor profile and its mode. The name of a profile is a word, a path or `:namespace:name`; profiles may be stacked."""
REPORT_MARKER = "dind-report "
ISOLATION_MARKER = "dind-isolation "
VOLUME_MARKER = "dind-volume "
ACTIVITY_MARKER = "dind-activity "
PRELOAD_MARKER = "dind-preload "
CACHED_REPORTS = 1024
"""Size of the cache of parsed reports: each reconciliation reads the report of a pod several times."""
MAX_MESSAGE_BYTES = 4096
"""The limit of the kubelet for a termination message."""


def _none_if_unfit(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


_OR_NONE = WrapValidator(_none_if_unfit)
"""A check that fails early reports unknown values as null. The rest of the report is used."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


ReportT = TypeVar("ReportT", bound=_Part)


class CgroupReport(_Part):
    """The mounted cgroup hierarchy."""

    version: Annotated[int, Field(ge=1, le=2)]
    controllers: Annotated[list[Word], Field(max_length=32)] = []


class MemoryReport(_Part):
    """The memory limit of the container, null without one."""

    limitBytes: Annotated[int | None, Field(ge=0, le=2**63)] = None  # noqa: N815 - the tool's own key


class StorageReport(_Part):
    """The file system of the volume at /var/lib/docker."""

    filesystem: Word
    overlay: bool
    driver: Annotated[Word | None, _OR_NONE] = None
    """The selected storage driver."""


class AppArmorReport(_Part):
    """Whether AppArmor is enabled on the node, and the profile of the container."""

    enabled: bool
    profile: Annotated[Profile | None, _OR_NONE] = None


class NetworkReport(_Part):
    """The nested networks that the init container configured. ``mtu`` is 0 if it is not configured."""

    interface: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{0,15}$")]
    interfaceMtu: Annotated[int, Field(strict=True, ge=0, le=2**20)]  # noqa: N815
    mtu: Annotated[int, Field(strict=True, ge=0, le=2**20)]
    bridge: Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:/]{0,49}$")]
    pools: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:/]{1,49}$")]], Field(max_length=16)] = []
    ipv6: Annotated[bool, Field(strict=True)] = False
    forwarder: Annotated[bool, Field(strict=True)] = False


INOTIFY_NEEDED = 8
"""The init container counts no further (``inotifyNeeded``, node/internal/preflight): a daemon and its first containers need a few."""


class InotifyReport(_Part):
    """The inotify instances that all pods of the node share: the limit, and how many are free."""

    limit: Annotated[int, Field(strict=True, ge=0, le=2**63)]
    free: Annotated[int, Field(strict=True, ge=0, le=64)]


class CheckError(_Part):
    """The check that failed. ``message`` says what is wrong, where, and what to do."""

    check: Word
    reason: Word
    message: Sentence


class PreflightReport(_Part):
    """The termination message of ``mount-cgroups``."""

    ok: bool
    mode: Annotated[Word | None, _OR_NONE] = None
    kernel: Annotated[Word | None, _OR_NONE] = None
    cgroup: Annotated[CgroupReport | None, _OR_NONE] = None
    memory: Annotated[MemoryReport | None, _OR_NONE] = None
    storage: Annotated[StorageReport | None, _OR_NONE] = None
    apparmor: Annotated[AppArmorReport | None, _OR_NONE] = None
    network: Annotated[NetworkReport | None, _OR_NONE] = None
    inotify: Annotated[InotifyReport | None, _OR_NONE] = None
    error: CheckError | None = None


class DaemonEnd(_Part):
    """The termination message of ``daemon``. Tenants control ``tail``: it is used to classify failures and never copied to status."""

    docker: Word | None = None
    exitCode: int | None = None  # noqa: N815 - the wrapper's own key
    tail: str = ""
    error: CheckError | None = None


class DaemonReport(_Part):
    """The line that the container of the daemon logs when dockerd responds."""

    serverVersion: Word  # noqa: N815 - the keys are those of the Docker API and of our status
    storageDriver: Word | None = None  # noqa: N815
    cgroupVersion: Word | None = None  # noqa: N815
    cgroupDriver: Word | None = None  # noqa: N815


class IsolationReport(_Part):
    """The line that follows when a container was started through the Docker API. ``inside`` is None if that failed.

    ``startRefused``: dockerd itself failed, and the helper tries again every minute.
    """

    inside: bool | None
    detail: Annotated[Sentence | None, _OR_NONE] = None
    startRefused: bool = False  # noqa: N815 - the helper's own key


Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class VolumeReport(_Part):
    """The line that the container of the daemon logs when the volume at /var/lib/docker is full, and when it has space again."""

    full: Annotated[bool, Field(strict=True)]
    usedBytes: Count  # noqa: N815 - the helper's own keys
    limitBytes: Count  # noqa: N815
    usedInodes: Count = 0  # noqa: N815
    limitInodes: Count = 0  # noqa: N815


MAX_IDLE_SECONDS = 10 * 366 * 24 * 3600
"""Ten years: more than any idle timeout, and safe for date arithmetic."""


class ActivityReport(_Part):
    """The line that the container of the daemon logs when it becomes idle, repeatedly while it is idle, and when it is used again.

    ``idleSeconds`` is the idle time when the line was written: a duration, so that clocks are not compared.
    ``seen`` is False if the helper cannot detect requests to the Docker API.
    """

    idle: Annotated[bool, Field(strict=True)]
    idleSeconds: Annotated[int, Field(strict=True, ge=0, le=MAX_IDLE_SECONDS)] = 0  # noqa: N815
    seen: Annotated[bool, Field(strict=True)] = True


class PreloadReport(_Part):
    """The line that the container of the daemon logs while it pulls images before it is ready.

    ``pulling`` and ``failing`` are positions in the list of the pod, starting at 1. ``kind`` is the cause of the failure.
    """

    done: Annotated[int, Field(strict=True, ge=0, le=1000)]
    pulling: Annotated[int | None, Field(strict=True, ge=1, le=1000)] = None
    failing: Annotated[int | None, Field(strict=True, ge=1, le=1000)] = None
    kind: Annotated[str, Field(pattern=r"^[A-Za-z]{1,32}$")] = "None"


@lru_cache(maxsize=CACHED_REPORTS)
def preflight_report(message: str | None) -> PreflightReport | None:
    """The report in a termination message; None without a valid one."""
    return _parse(PreflightReport, message)


def daemon_end(message: str | None) -> DaemonEnd:
    """The termination message of the daemon; empty without a valid one."""
    return _parse(DaemonEnd, message) or DaemonEnd()


def daemon_report(log: str) -> DaemonReport | None:
    """The last report of versions in the log of the daemon; None without one."""
    return _last(DaemonReport, REPORT_MARKER, log)


def isolation_report(log: str) -> IsolationReport | None:
    """The last report of isolation in the log; None without one."""
    return _last(IsolationReport, ISOLATION_MARKER, log)


def volume_report(log: str) -> VolumeReport | None:
    """The last report of the volume in the log; None without one."""
    return _last(VolumeReport, VOLUME_MARKER, log)


def activity_report(log: str) -> ActivityReport | None:
    """The last report of activity in the log; None without one."""
    return _last(ActivityReport, ACTIVITY_MARKER, log)


def preload_report(log: str) -> PreloadReport | None:
    """The last report of pulled images in the log; None without one."""
    return _last(PreloadReport, PRELOAD_MARKER, log)


def _last(model: type[ReportT], marker: str, log: str) -> ReportT | None:
    for line in reversed(log.splitlines()):
        if line.startswith(marker):
            return _parse(model, line.removeprefix(marker))
    return None


def _parse(model: type[ReportT], text: str | None) -> ReportT | None:
    if not text or len(text) > MAX_MESSAGE_BYTES:
        return None
    try:
        value: Any = json.loads(text)
        return model.model_validate(value)
    except (ValueError, ValidationError, RecursionError):
        return None

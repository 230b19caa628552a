"""What the pod's own programs say: the preflight's report, the daemon's end, the daemon's versions.

All of it comes out of a container that its tenant controls. It is parsed into bounded, checked fields; whatever does not
fit is dropped, never copied.
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
"""A version, a driver, a file system: nothing that could be taken for a sentence or markup."""
Sentence = Annotated[
    str,
    StringConstraints(min_length=1, max_length=3000),
    AfterValidator(lambda text: "".join(character if character.isprintable() else " " for character in text)),
]
"""What a check says; it may quote a program's output, so whatever is no letter, sign or space becomes a space."""
Profile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./:][A-Za-z0-9.+~_:/&@ ()-]{0,255}$")]
"""An AppArmor profile and its mode. Profiles are called by a word, a path or `:namespace:name`, and may be stacked."""
REPORT_MARKER = "dind-report "
ISOLATION_MARKER = "dind-isolation "
VOLUME_MARKER = "dind-volume "
ACTIVITY_MARKER = "dind-activity "
PRELOAD_MARKER = "dind-preload "
CACHED_REPORTS = 1024
"""Reports that are not parsed again: a pod keeps its own, and a reconciliation reads it several times."""
MAX_MESSAGE_BYTES = 4096
"""The kubelet's own bound on a termination message."""


def _none_if_unfit(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


_OR_NONE = WrapValidator(_none_if_unfit)
"""A check that fails early reports what it does not know yet as null; its sentence must not be lost with that."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


ReportT = TypeVar("ReportT", bound=_Part)


class CgroupReport(_Part):
    """The hierarchy that was mounted."""

    version: Annotated[int, Field(ge=1, le=2)]
    controllers: Annotated[list[Word], Field(max_length=32)] = []


class MemoryReport(_Part):
    """The container's own limit, null without one."""

    limitBytes: Annotated[int | None, Field(ge=0, le=2**63)] = None  # noqa: N815 - the tool's own key


class StorageReport(_Part):
    """The file system under the docker volume."""

    filesystem: Word
    overlay: bool
    driver: Annotated[Word | None, _OR_NONE] = None
    """The storage driver that was chosen, or the one that is left where no overlay works."""


class AppArmorReport(_Part):
    """Whether the node enforces AppArmor, and the container's own profile."""

    enabled: bool
    profile: Annotated[Profile | None, _OR_NONE] = None


class NetworkReport(_Part):
    """What the nested networks will be, as the init container chose it. ``mtu`` is 0 where nobody does."""

    interface: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{0,15}$")]
    interfaceMtu: Annotated[int, Field(strict=True, ge=0, le=2**20)]  # noqa: N815
    mtu: Annotated[int, Field(strict=True, ge=0, le=2**20)]
    bridge: Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:/]{0,49}$")]
    pools: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:/]{1,49}$")]], Field(max_length=16)] = []
    ipv6: Annotated[bool, Field(strict=True)] = False
    forwarder: Annotated[bool, Field(strict=True)] = False


class CheckError(_Part):
    """The check that failed; ``message`` says what, where and what to do."""

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
    error: CheckError | None = None


class DaemonEnd(_Part):
    """The termination message of ``daemon``. ``tail`` is a tenant's text: for classing and ``report``, never for status."""

    docker: Word | None = None
    exitCode: int | None = None  # noqa: N815 - the wrapper's own key
    tail: str = ""
    error: CheckError | None = None


class DaemonReport(_Part):
    """The line that the daemon's container logs once dockerd answers."""

    serverVersion: Word  # noqa: N815 - the keys are those of the Docker API and of our status
    storageDriver: Word | None = None  # noqa: N815
    cgroupVersion: Word | None = None  # noqa: N815
    cgroupDriver: Word | None = None  # noqa: N815


class IsolationReport(_Part):
    """The line that follows when a container was started through the Docker API: ``inside`` is None where that failed."""

    inside: bool | None
    detail: Annotated[Sentence | None, _OR_NONE] = None


Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class VolumeReport(_Part):
    """The line that the daemon's container logs when the docker volume is full, and when it has room again."""

    full: Annotated[bool, Field(strict=True)]
    usedBytes: Count  # noqa: N815 - the helper's own keys
    limitBytes: Count  # noqa: N815
    usedInodes: Count = 0  # noqa: N815
    limitInodes: Count = 0  # noqa: N815


MAX_IDLE_SECONDS = 10 * 366 * 24 * 3600
"""Ten years: more than any idle timeout, and no calendar ends on the way."""


class ActivityReport(_Part):
    """The line that the daemon's container logs when it is used no more, while that lasts, and when it is used again.

    ``idleSeconds`` is how long it had been unused when the line was written: a duration, so that no two clocks are compared.
    ``seen`` is False where the helper cannot see calls of the Docker API.
    """

    idle: Annotated[bool, Field(strict=True)]
    idleSeconds: Annotated[int, Field(strict=True, ge=0, le=MAX_IDLE_SECONDS)] = 0  # noqa: N815
    seen: Annotated[bool, Field(strict=True)] = True


class PreloadReport(_Part):
    """The line that the daemon's container logs while images are pulled before it is ready.

    ``pulling`` and ``failing`` count from 1, by the order of the pod's list; ``kind`` says why the latter failed.
    """

    done: Annotated[int, Field(strict=True, ge=0, le=1000)]
    pulling: Annotated[int | None, Field(strict=True, ge=1, le=1000)] = None
    failing: Annotated[int | None, Field(strict=True, ge=1, le=1000)] = None
    kind: Annotated[str, Field(pattern=r"^[A-Za-z]{1,32}$")] = "None"


@lru_cache(maxsize=CACHED_REPORTS)
def preflight_report(message: str | None) -> PreflightReport | None:
    """The report in a termination message; None if there is none that can be read."""
    return _parse(PreflightReport, message)


def daemon_end(message: str | None) -> DaemonEnd:
    """What the daemon's container left behind; empty if nothing can be read."""
    return _parse(DaemonEnd, message) or DaemonEnd()


def daemon_report(log: str) -> DaemonReport | None:
    """The report in the daemon's log; the last one wins, None if there is none."""
    return _last(DaemonReport, REPORT_MARKER, log)


def isolation_report(log: str) -> IsolationReport | None:
    """The same for where nested containers are."""
    return _last(IsolationReport, ISOLATION_MARKER, log)


def volume_report(log: str) -> VolumeReport | None:
    """The last that the log says of the docker volume; None if it says nothing."""
    return _last(VolumeReport, VOLUME_MARKER, log)


def activity_report(log: str) -> ActivityReport | None:
    """The last that the log says of the daemon's use; None if it says nothing."""
    return _last(ActivityReport, ACTIVITY_MARKER, log)


def preload_report(log: str) -> PreloadReport | None:
    """The last that the log says of images that are pulled; None if it says nothing."""
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

"""AppArmor messages about an environment from the log of its node. Pure.

The kernel logs the profile and the PID on the node, not the pod. The PIDs of a pod are not known here, and those of exited
processes are not recorded anywhere. Messages are therefore selected by profile, since the creation of the pod. They include
those of other pods on the node with the same profile, which the report states.

The log is untrusted: confined processes choose names in it, and a process that can write to the kernel log can forge lines.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from dind_operator.api.conditions import format_time

MAX_SHOWN = 100
"""The number of distinct messages in a report. The most recent are kept."""
MAX_KEPT = 2000
"""The number of distinct messages in memory. Without the limit, a program that tries random names could exhaust memory."""
MAX_VALUE = 200
"""The number of characters of one value."""
MAX_LINE = 16 * 1024
"""The number of bytes of one line. Lines of the kernel are shorter than 9 KiB."""
CLOCK_SKEW = timedelta(minutes=1)
"""The allowed difference between the clock of the API server (pod) and the clock of the node (messages)."""

_HEAD = re.compile(
    # journalctl -k and dmesg: `audit: type=1400 audit(1700000000.123:45): …`; audit.log: `type=AVC msg=audit(…): …`.
    r"\btype=(?:1[45]\d\d|AVC|USER_AVC|APPARMOR_[A-Z]+)\s+(?:msg=)?audit\((?P<seconds>\d{1,10})\.\d{1,9}:\d+\):\s*(?P<rest>.*)"
)
_FIELD = re.compile(r"(?P<key>[a-z_]+)=(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>[^\s\"']+))")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_VERDICTS = frozenset({"DENIED", "ALLOWED", "AUDIT", "KILLED"})
_TEXTS = frozenset({"comm", "info", "name", "peer", "profile", "srcname", "target"})
"""Fields that the kernel writes in hexadecimal, without quotes, if they contain quotes, spaces or non-ASCII characters."""
_DETAILS = ("fstype", "srcname", "flags", "peer", "target", "info")


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``requested`` is the requested access mask, capability or signal."""

    time: datetime
    assessment: str
    operation: str
    profile: str
    name: str
    comm: str
    requested: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Repeated:
    first: Message
    last: datetime
    count: int = 1


@dataclass(slots=True)
class Collected:
    """The messages of one profile. Equal messages are grouped and counted."""

    profile: str
    since: datetime
    groups: dict[tuple[Any, ...], _Repeated] = field(default_factory=dict)
    lines: int = 0
    dropped: int = 0


def log_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a log. Long lines are split, and invalid UTF-8 is escaped."""
    while line := stream.readline(MAX_LINE):
        yield line.decode("utf-8", "backslashreplace").rstrip("\n")


def parse(line: str) -> Message | None:
    """The AppArmor message in a line of ``journalctl -k``, ``dmesg`` or ``audit.log``; None if there is none."""
    head = _HEAD.search(line) if "apparmor=" in line else None
    if head is None:
        return None
    # After this character, auditd repeats the fields with names instead of numbers.
    fields = _fields(head["rest"].partition("\x1d")[0])
    if fields.get("apparmor") not in _VERDICTS:
        return None
    return Message(
        time=datetime.fromtimestamp(int(head["seconds"]), UTC),
        assessment=fields["apparmor"],
        operation=fields.get("operation", ""),
        profile=fields.get("profile", fields.get("label", "")),
        name=fields.get("name", ""),
        comm=fields.get("comm", ""),
        requested=next(
            (fields[key] for key in ("requested_mask", "requested", "capname", "signal") if key in fields), ""
        ),
        details=tuple((key, fields[key]) for key in _DETAILS if key in fields),
    )


def _fields(text: str) -> dict[str, str]:
    """The fields. Of repeated keys the first one counts, because a later one can be forged in a value."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        key, value = match["key"], match["quoted"]
        if value is None:
            value = match["bare"]
            if key in _TEXTS and _HEX.fullmatch(value):
                value = bytes.fromhex(value).decode("utf-8", "backslashreplace")
        found.setdefault(key, value)
    return found


def collect(lines: Iterable[str], profile: str, since: datetime) -> Collected:
    """The messages of a profile since a time. The profile can be stacked with others."""
    found = Collected(profile, since)
    for line in lines:
        message = parse(line)
        if message is None or message.time < since - CLOCK_SKEW or not _contains_profile(message.profile, profile):
            continue
        found.lines += 1
        key = (message.assessment, message.operation, message.name, message.comm, message.requested, message.details)
        known = found.groups.get(key)
        if known is not None:
            known.count += 1
            known.last = max(known.last, message.time)
        elif len(found.groups) < MAX_KEPT:
            found.groups[key] = _Repeated(message, message.time)
        else:
            found.dropped += 1
    return found


def _contains_profile(label: str, profile: str) -> bool:
    return any(part == profile or part.startswith(f"{profile}//") for part in label.split("//&"))


def profile_name(effective: str | None, requested: str | None) -> str | None:
    """The effective profile, which the init container reports ("dind (enforce)"), or else the requested profile.

    None if the environment is unconfined or the profile is not known yet.
    """
    name = (effective or "").rpartition(" (")[0] or effective or requested
    return None if name in (None, "", "unconfined") else name


def apparmor_facts(found: Collected | None) -> dict[str, Any]:
    """The section of the report about AppArmor."""
    if found is None:
        return {"profile": "unknown: the environment is unconfined, or its pod has not started"}
    groups = sorted(found.groups.values(), key=lambda group: group.last)
    omitted = len(groups) - MAX_SHOWN
    return {
        "profile": found.profile,
        "since": format_time(found.since),
        "lines": f"{found.lines}, {len(groups)} distinct",
        "not shown": f"{omitted} older messages" if omitted > 0 else None,
        "not counted by kind": found.dropped or None,
        "about": f"all pods on the node with the profile {found.profile}: the kernel logs the profile, not the pod",
        "messages": [_shown(group) for group in groups[-MAX_SHOWN:]],
    }


def _shown(group: _Repeated) -> dict[str, Any]:
    message = group.first
    values: dict[str, Any] = {
        "time": format_time(group.last),
        "count": group.count,
        "verdict": message.assessment,
        "operation": message.operation,
        "name": message.name,
        "comm": message.comm,
        "requested": message.requested,
        **dict(message.details),
    }
    return {key: _cut(value) for key, value in values.items() if value != ""}


def _cut(value: Any) -> Any:
    return f"{value[:MAX_VALUE]}…" if isinstance(value, str) and len(value) > MAX_VALUE else value

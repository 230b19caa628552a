"""AppArmor's messages about an environment, out of its node's log. Pure.

The kernel names the profile and the process of the node, not the pod. The pids of a pod are not known here, and those of
processes that ended are known nowhere; so what is chosen is the profile, from the time of the pod on. Other pods of that
node under the same profile are in it, and the report says so.

A log is untrusted: names are chosen by who is confined, and whoever may write to the kernel's log can forge a line.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from dind_operator.api.conditions import format_time

MAX_SHOWN = 100
"""Different messages in a report; the newest are kept."""
MAX_KEPT = 2000
"""Different messages held while reading. A program that tries names at random could else fill the memory."""
MAX_VALUE = 200
"""Characters of one value."""
MAX_LINE = 16 * 1024
"""Bytes of a line of a log; the kernel's own are shorter than 9 KiB."""
CLOCKS_APART = timedelta(minutes=1)
"""The pod's time is the API server's, a message's is the node's: better a line too many."""

_HEAD = re.compile(
    # journalctl -k and dmesg: `audit: type=1400 audit(1700000000.123:45): …`; audit.log: `type=AVC msg=audit(…): …`.
    r"\btype=(?:1[45]\d\d|AVC|USER_AVC|APPARMOR_[A-Z]+)\s+(?:msg=)?audit\((?P<seconds>\d{1,10})\.\d{1,9}:\d+\):\s*(?P<rest>.*)"
)
_FIELD = re.compile(r"(?P<key>[a-z_]+)=(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>[^\s\"']+))")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_VERDICTS = frozenset({"DENIED", "ALLOWED", "AUDIT", "KILLED"})
_TEXTS = frozenset({"comm", "info", "name", "peer", "profile", "srcname", "target"})
"""What the kernel writes in hexadecimal, without quotes, when it holds a quote, a space or anything that is not ASCII."""
_DETAILS = ("fstype", "srcname", "flags", "peer", "target", "info")


@dataclass(frozen=True, slots=True)
class Message:
    """One line. ``requested`` is what was asked for: letters of a file access, a capability, a signal."""

    time: datetime
    verdict: str
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
    """What a log holds about one profile; equal messages are one, with a count."""

    profile: str
    since: datetime
    groups: dict[tuple[Any, ...], _Repeated] = field(default_factory=dict)
    lines: int = 0
    dropped: int = 0


def log_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a log, the overlong in pieces; bytes that are no text are shown as escapes."""
    while line := stream.readline(MAX_LINE):
        yield line.decode("utf-8", "backslashreplace").rstrip("\n")


def parse(line: str) -> Message | None:
    """The message in a line of ``journalctl -k``, ``dmesg`` or ``audit.log``; None if there is none of AppArmor's."""
    head = _HEAD.search(line) if "apparmor=" in line else None
    if head is None:
        return None
    # After this character auditd repeats numbers as names.
    fields = _fields(head["rest"].partition("\x1d")[0])
    if fields.get("apparmor") not in _VERDICTS:
        return None
    return Message(
        time=datetime.fromtimestamp(int(head["seconds"]), UTC),
        verdict=fields["apparmor"],
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
    """Key by key, the first of a name: a later one may be somebody's text."""
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
    """The messages about a profile, alone or stacked with others, from a time on."""
    found = Collected(profile, since)
    for line in lines:
        message = parse(line)
        if message is None or message.time < since - CLOCKS_APART or not _is_of(message.profile, profile):
            continue
        found.lines += 1
        key = (message.verdict, message.operation, message.name, message.comm, message.requested, message.details)
        known = found.groups.get(key)
        if known is not None:
            known.count += 1
            known.last = max(known.last, message.time)
        elif len(found.groups) < MAX_KEPT:
            found.groups[key] = _Repeated(message, message.time)
        else:
            found.dropped += 1
    return found


def _is_of(label: str, profile: str) -> bool:
    return any(part == profile or part.startswith(f"{profile}//") for part in label.split("//&"))


def profile_name(in_force: str | None, asked: str | None) -> str | None:
    """The profile to look for: the one the init container found itself under ("dind (enforce)"), else the one asked for.

    None when the environment is unconfined, or nobody knows yet.
    """
    name = (in_force or "").rpartition(" (")[0] or in_force or asked
    return None if name in (None, "", "unconfined") else name


def apparmor_facts(found: Collected | None) -> dict[str, Any]:
    """The section of the report."""
    if found is None:
        return {
            "profile": "none that is known: an unconfined environment has no messages, nor one whose pod never started"
        }
    groups = sorted(found.groups.values(), key=lambda group: group.last)
    left_out = len(groups) - MAX_SHOWN
    return {
        "profile": found.profile,
        "since": format_time(found.since),
        "lines": f"{found.lines}, {len(groups)} different",
        "not shown": f"{left_out} older ones" if left_out > 0 else None,
        "not counted by kind": found.dropped or None,
        "about": f"every pod of this node under {found.profile}: the kernel names the profile, not the pod",
        "messages": [_shown(group) for group in groups[-MAX_SHOWN:]],
    }


def _shown(group: _Repeated) -> dict[str, Any]:
    message = group.first
    values: dict[str, Any] = {
        "time": format_time(group.last),
        "count": group.count,
        "verdict": message.verdict,
        "operation": message.operation,
        "name": message.name,
        "comm": message.comm,
        "requested": message.requested,
        **dict(message.details),
    }
    return {key: _cut(value) for key, value in values.items() if value != ""}


def _cut(value: Any) -> Any:
    return f"{value[:MAX_VALUE]}…" if isinstance(value, str) and len(value) > MAX_VALUE else value

"""AppArmor's messages as kernels and auditd write them; what a confined program can choose is data, whatever it holds."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from tests.unit.objects import NOW, PREFLIGHT, environment, init_done, running_pod, set_containers

from dind_operator.report.apparmor import (
    MAX_KEPT,
    MAX_LINE,
    MAX_SHOWN,
    MAX_VALUE,
    Message,
    apparmor_facts,
    collect,
    log_lines,
    parse,
    profile_name,
)
from dind_operator.report.facts import Gathered
from dind_operator.report.gather import render_report, with_node_log

EPOCH = 1748779200  # NOW of the objects: 2025-06-01T12:00:00Z
SINCE = datetime.fromtimestamp(EPOCH, UTC)
ODD = '/a b/é"'
LOCALHOST = {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}}}

# Each: what journalctl -k or dmesg shows, or a line of audit.log; verdict, operation, name, comm, requested, details.
SAMPLES: list[tuple[str, tuple[str, str, str, str, str, dict[str, str]]]] = [
    (
        f'Jun 01 12:00:00 worker-1 kernel: audit: type=1400 audit({EPOCH}.123:456): apparmor="DENIED" operation="mount" '
        'class="mount" info="failed mntpnt match" error=-13 profile="dind" name="/mnt/" pid=4711 comm="mount" '
        'fstype="ext4" srcname="/dev/vda1"',
        (
            "DENIED", "mount", "/mnt/", "mount", "",
            {"fstype": "ext4", "srcname": "/dev/vda1", "info": "failed mntpnt match"},
        ),
    ),
    (
        f'[  812.345678] audit: type=1400 audit({EPOCH}.001:99): apparmor="DENIED" operation="open" class="file" '
        'profile="dind" name="/proc/sysrq-trigger" pid=900 comm="sh" requested_mask="wc" denied_mask="wc" fsuid=0 ouid=0',
        ("DENIED", "open", "/proc/sysrq-trigger", "sh", "wc", {}),
    ),
    (
        f'type=AVC msg=audit({EPOCH}.500:77): apparmor="ALLOWED" operation="capable" class="cap" profile="dind" pid=12 '
        'comm="modprobe" capability=16  capname="sys_module"',
        ("ALLOWED", "capable", "", "modprobe", "sys_module", {}),
    ),
    (
        f'type=AVC msg=audit({EPOCH}.500:78): apparmor="DENIED" operation="ptrace" class="ptrace" profile="dind" pid=13 '
        'comm="gdb" requested_mask="trace" denied_mask="trace" peer="unconfined"\x1dFSUID="root" OUID="root"',
        ("DENIED", "ptrace", "", "gdb", "trace", {"peer": "unconfined"}),
    ),
    (
        f'type=AVC msg=audit({EPOCH}.500:79): apparmor="DENIED" operation="signal" profile="dind" pid=14 comm="kill" '
        'requested_mask="send" denied_mask="send" signal=term peer="unconfined"',
        ("DENIED", "signal", "", "kill", "send", {"peer": "unconfined"}),
    ),
    # With a space, a quote and a letter that is not ASCII: in hexadecimal, as the kernel writes such names.
    (
        f'audit: type=1400 audit({EPOCH}.1:1): apparmor="DENIED" operation="open" profile="dind" '
        f'name={ODD.encode().hex().upper()} pid=1 comm={b"my sh".hex().upper()} requested_mask="r" denied_mask="r"',
        ("DENIED", "open", ODD, "my sh", "r", {}),
    ),
    # A file may be called like a number in hexadecimal; the kernel quotes such a name.
    (
        f'audit: type=1400 audit({EPOCH}.1:1): apparmor="DENIED" operation="open" profile="dind" name="4142" pid=1 '
        'comm="cafe" requested_mask="r" denied_mask="r"',
        ("DENIED", "open", "4142", "cafe", "r", {}),
    ),
]  # fmt: skip


def line(number: int = 0, *, profile: str = "dind", name: str = "/x", seconds: int = EPOCH) -> str:
    return (
        f'audit: type=1400 audit({seconds}.0:{number}): apparmor="DENIED" operation="open" profile="{profile}" '
        f'name="{name}" pid={number} comm="sh" requested_mask="r" denied_mask="r"'
    )


@pytest.mark.parametrize(("text", "expected"), SAMPLES)
def test_a_line_is_taken_apart(text: str, expected: tuple[Any, ...]) -> None:
    assessment, operation, name, comm, requested, details = expected
    assert parse(text) == Message(SINCE, assessment, operation, "dind", name, comm, requested, tuple(details.items()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        'apparmor="DENIED"',
        "kernel: apparmor= in a sentence",
        f'type=AVC msg=audit({EPOCH}.1:1): avc:  denied  {{ read }} for  pid=1 comm="x" scontext=apparmor=',
        f'audit: type=1400 audit({EPOCH}.1:1): apparmor="STATUS" operation="profile_load" profile="unconfined" name="dind"',
        'audit: type=1400 audit(yesterday): apparmor="DENIED" operation="open" profile="dind"',
        f'audit: type=1300 audit({EPOCH}.1:1): apparmor="DENIED" operation="open" profile="dind"',
    ],
)
def test_what_is_no_message_of_apparmor_is_none(text: str) -> None:
    assert parse(text) is None


def test_the_first_value_of_a_key_counts() -> None:
    found = parse(line() + ' profile="other" name="/nothing" apparmor="ALLOWED"')
    assert found is not None
    assert (found.assessment, found.profile, found.name) == ("DENIED", "dind", "/x")


@pytest.mark.parametrize(
    ("label", "is_of"),
    [
        ("dind", True),
        ("dind//child", True),
        ("dind//&cri-containerd.apparmor.d", True),
        ("outer//&dind", True),
        ("dind-complain", False),
        ("docker-dind", False),
        ("outer//dind", False),
    ],
)
def test_only_messages_of_the_profile_count(label: str, is_of: bool) -> None:
    assert collect([line(profile=label)], "dind", SINCE).lines == int(is_of)


@pytest.mark.parametrize(("early", "counts"), [(0, 1), (59, 1), (61, 0)])
def test_only_messages_since_the_pod_count_give_or_take_a_minute(early: int, counts: int) -> None:
    assert collect([line(seconds=EPOCH - early)], "dind", SINCE).lines == counts


def test_equal_messages_are_one_with_the_latest_time() -> None:
    lines = [line(number, seconds=EPOCH + number) for number in range(5)] + [line(9, name="/y")]
    found = apparmor_facts(collect(lines, "dind", SINCE))
    assert found["lines"] == "6, 2 distinct"
    assert [(item["name"], item["count"]) for item in found["messages"]] == [("/y", 1), ("/x", 5)]
    assert found["messages"][1]["time"] == "2025-06-01T12:00:04Z"


def test_what_is_shown_and_what_is_held_is_bounded() -> None:
    lines = (line(number, name=f"/{number}", seconds=EPOCH + number) for number in range(MAX_KEPT + 50))
    found = collect(lines, "dind", SINCE)
    assert len(found.groups) == MAX_KEPT
    shown = apparmor_facts(found)
    assert len(shown["messages"]) == MAX_SHOWN
    assert shown["not shown"] == f"{MAX_KEPT - MAX_SHOWN} older messages"
    assert shown["not counted by kind"] == 50
    assert shown["messages"][-1]["name"] == f"/{MAX_KEPT - 1}"
    long = apparmor_facts(collect([line(name="/" + "a" * 4000)], "dind", SINCE))["messages"][0]["name"]
    assert len(long) == MAX_VALUE + 1


def test_a_log_may_hold_anything() -> None:
    stream = io.BytesIO(b"\xff\xfe\0" + b"x" * (3 * MAX_LINE) + b"\n" + line().encode() + b"\n" + line().encode())
    assert collect(log_lines(stream), "dind", SINCE).lines == 2


@pytest.mark.parametrize(
    ("effective", "requested", "expected"),
    [
        ("dind (enforce)", "dind", "dind"),
        ("dind-complain (complain)", "dind", "dind-complain"),
        ("cri-containerd.apparmor.d (enforce)", None, "cri-containerd.apparmor.d"),
        ("unconfined", None, None),
        (None, "dind", "dind"),
        ("", "dind", "dind"),
        (None, None, None),
    ],
)
def test_which_profile_to_look_for(effective: str | None, requested: str | None, expected: str | None) -> None:
    assert profile_name(effective, requested) == expected


def gathered(profile: str = "dind (enforce)") -> Gathered:
    report = PREFLIGHT | {"apparmor": {"enabled": True, "profile": profile}}
    pod = set_containers(running_pod(LOCALHOST), init_done(report), None)
    pod["metadata"]["creationTimestamp"] = "2025-06-01T12:00:00Z"
    return Gathered(environment=environment(LOCALHOST), time=NOW, pod=pod)


def report(*lines: str, output: Any = "text", of: Gathered | None = None) -> str:
    return render_report(with_node_log(of or gathered(), io.BytesIO("\n".join(lines).encode())), output)


def test_the_section_says_what_happened_and_of_whom_it_speaks() -> None:
    text = report(*[sample for sample, _ in SAMPLES], line(profile="other", name="/elsewhere"))
    section = text.partition("APPARMOR MESSAGES\n")[2].partition("\n\n")[0]
    assert '| 2025-06-01T12:00:00Z DENIED mount name=/mnt/ comm=mount fstype=ext4 srcname=/dev/vda1' in section  # fmt: skip
    assert "2025-06-01T12:00:00Z ALLOWED capable comm=modprobe requested=sys_module" in section
    assert "all pods on the node with the profile dind" in section
    assert "/elsewhere" not in section
    found = yaml.safe_load(report(SAMPLES[1][0], output="yaml"))["apparmor messages"]
    assert found["messages"] == [
        {
            "time": "2025-06-01T12:00:00Z",
            "count": 1,
            "verdict": "DENIED",
            "operation": "open",
            "name": "/proc/sysrq-trigger",
            "comm": "sh",
            "requested": "wc",
        }
    ]


def test_without_a_log_there_is_no_section() -> None:
    assert "APPARMOR MESSAGES" not in render_report(gathered())


def test_an_unconfined_environment_is_told_so() -> None:
    unconfined = gathered("unconfined")
    assert "profile: unknown: the environment is unconfined" in report(line(), of=unconfined)


def test_a_pod_that_never_started_is_asked_for_by_what_the_spec_says() -> None:
    never = Gathered(environment=environment(LOCALHOST), time=NOW)
    never.environment["metadata"]["creationTimestamp"] = "2025-06-01T11:00:00Z"
    assert "1, 1 distinct" in report(line(seconds=EPOCH - 3000), of=never)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\nCONDITIONS\n", "\u202e", "\r"])
def test_a_hostile_name_is_shown_and_not_obeyed(hostile: str) -> None:
    name = f"/x{hostile}y".encode().hex().upper()
    text = report(line().replace('"/x"', name))
    assert hostile not in text
    assert len([row for row in text.splitlines() if row.startswith("CONDITIONS")]) == 0
    assert "name=/x\\" in text


def test_secrets_in_a_name_are_masked() -> None:
    assert "s3cr3t" not in report(line(name="/x?password=s3cr3t"))


def test_since_is_the_time_of_the_pod() -> None:
    late = gathered()
    assert late.pod is not None
    late.pod["metadata"]["creationTimestamp"] = (SINCE + timedelta(hours=1)).isoformat()
    assert "0, 0 distinct" in report(line(), of=late)

"""What comes out of a container is a stranger's text: parsed into bounded fields or dropped."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import PREFLIGHT
from tests.unit.texts import texts

from dind_operator.state.node_reports import (
    MAX_MESSAGE_BYTES,
    ActivityReport,
    DaemonEnd,
    VolumeReport,
    activity_report,
    daemon_end,
    daemon_report,
    isolation_report,
    preflight_report,
    volume_report,
)

LINE = 'dind-report {"version":1,"serverVersion":"26.1.5+dfsg1","storageDriver":"overlay2","cgroupVersion":"2","cgroupDriver":"cgroupfs"}'  # noqa: E501
ERROR = {"check": "Storage", "reason": "StorageNotWritable", "message": "The volume cannot be written."}


def test_the_tools_own_report_is_read() -> None:
    report = preflight_report(json.dumps(PREFLIGHT))
    assert report is not None
    assert report.ok
    assert report.cgroup is not None
    assert (report.cgroup.version, report.cgroup.controllers) == (2, ["cpu", "memory", "pids"])
    assert report.storage is not None
    assert (report.storage.filesystem, report.storage.overlay) == ("ext4", True)


def test_a_failed_check_is_read() -> None:
    report = preflight_report(json.dumps(PREFLIGHT | {"ok": False, "cgroup": None, "error": ERROR}))
    assert report is not None
    assert report.error is not None
    assert report.error.reason == "StorageNotWritable"


def test_a_failed_check_before_anything_is_known_is_read() -> None:
    unknown = {"version": None, "controllers": []}
    report = preflight_report(
        json.dumps(
            PREFLIGHT
            | {"ok": False, "cgroup": unknown, "storage": {"filesystem": None, "overlay": False}, "error": ERROR}
        )
    )
    assert report is not None
    assert report.error is not None


def test_the_longest_sentence_the_tool_writes_is_kept() -> None:
    long = PREFLIGHT | {"ok": False, "error": ERROR | {"message": "x" * 2800}}
    report = preflight_report(json.dumps(long))
    assert report is not None
    assert report.error is not None
    assert len(report.error.message) == 2800


def test_control_characters_of_a_quoted_program_become_spaces() -> None:
    report = preflight_report(json.dumps(PREFLIGHT | {"ok": False, "error": ERROR | {"message": "a\x1b[2J\nb\u202ec"}}))
    assert report is not None
    assert report.error is not None
    assert report.error.message == "a [2J b c"


@pytest.mark.parametrize(
    "profile", ["dind (enforce)", "/usr/bin/foo (enforce)", ":ns:name", "unconfined//&:root//lxc:unconfined (enforce)"]
)
def test_a_profile_is_called_by_a_word_or_a_path(profile: str) -> None:
    report = preflight_report(json.dumps(PREFLIGHT | {"apparmor": {"enabled": True, "profile": profile}}))
    assert report is not None
    assert report.apparmor is not None
    assert report.apparmor.profile == profile


def test_a_profile_that_does_not_fit_takes_nothing_with_it() -> None:
    report = preflight_report(json.dumps(PREFLIGHT | {"apparmor": {"enabled": True, "profile": "a\nForged: yes"}}))
    assert report is not None
    assert report.apparmor is not None
    assert (report.apparmor.enabled, report.apparmor.profile) == (True, None)


HOSTILE: list[str | None] = [
    None,
    "",
    "not json",
    "null",
    "[]",
    "7",
    '"text"',
    "{",
    "[" * 4000,
    '{"a":' * 600,
    "1" * 4000,
    "NaN",
    '{"ok": "maybe"}',
    json.dumps(PREFLIGHT | {"padding": "x" * MAX_MESSAGE_BYTES}),
]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("cgroup", {"version": 3}),
        ("cgroup", {"version": 1, "controllers": ["x"] * 100}),
        ("cgroup", []),
        ("kernel", "6.1\nForged: yes"),
        ("kernel", {"a": 1}),
        ("kernel", "\ud800"),
        ("storage", {"filesystem": "x" * 500, "overlay": True}),
        ("apparmor", {"enabled": "perhaps"}),
        ("memory", {"limitBytes": -1}),
    ],
)
def test_a_part_that_does_not_fit_is_dropped_alone(part: str, value: Any) -> None:
    report = preflight_report(json.dumps(PREFLIGHT | {part: value}))
    assert report is not None
    assert getattr(report, part) is None
    assert (
        len([name for name in ("cgroup", "kernel", "storage", "apparmor", "memory") if getattr(report, name) is None])
        == 1
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_what_does_not_fit_is_no_report(text: str | None) -> None:
    assert preflight_report(text) is None


@pytest.mark.parametrize("text", HOSTILE[:12])
def test_what_does_not_fit_is_an_empty_end(text: str | None) -> None:
    assert daemon_end(text) == DaemonEnd()


def test_the_daemons_end_is_read() -> None:
    end = daemon_end(json.dumps({"version": 1, "docker": "26.1.5+dfsg1", "exitCode": 1, "signal": 0, "tail": "bad\n"}))
    assert (end.docker, end.exitCode, end.tail) == ("26.1.5+dfsg1", 1, "bad\n")


def test_the_daemons_versions_are_read_from_its_log() -> None:
    report = daemon_report(f"starting\n{LINE}\nmore\n")
    assert report is not None
    assert (report.serverVersion, report.storageDriver) == ("26.1.5+dfsg1", "overlay2")


def test_only_a_whole_line_of_ours_counts() -> None:
    assert daemon_report(f"level=info msg={LINE}") is None
    assert daemon_report("") is None
    assert daemon_report('dind-report {"serverVersion":"<b>x</b>"}') is None
    assert daemon_report('dind-report {"serverVersion":"' + "1" * 5000 + '"}') is None


VOLUME = '{"version":1,"full":true,"usedBytes":9,"limitBytes":10,"usedInodes":1,"limitInodes":2}'


def test_the_last_that_was_said_of_the_volume_counts() -> None:
    assert volume_report(f"dind-volume {VOLUME}\nmore\n") == VolumeReport(
        full=True, usedBytes=9, limitBytes=10, usedInodes=1, limitInodes=2
    )
    after = volume_report(f"dind-volume {VOLUME}\ndind-volume {VOLUME.replace('true', 'false')}\n")
    assert after is not None
    assert after.full is False
    assert volume_report("nothing") is None


@pytest.mark.parametrize(
    "change",
    [('"full":true', '"full":1'), (":9", ":-9"), (":9", ":1e400"), (":9", ':"9"'), (":10", f":{2**64}"), ("{", "[")],
)
def test_numbers_of_the_volume_are_whole_and_bounded(change: tuple[str, str]) -> None:
    assert volume_report(f"dind-volume {VOLUME.replace(*change, 1)}") is None


ACTIVITY = '{"version":1,"idle":true,"idleSeconds":90,"seen":true}'


def test_the_last_word_on_the_daemons_use_is_read() -> None:
    log = f"dind-activity {ACTIVITY}\nmore\n"
    assert activity_report(log) == ActivityReport(idle=True, idleSeconds=90, seen=True)
    after = activity_report(log + 'dind-activity {"version":1,"idle":false}\n')
    assert after == ActivityReport(idle=False)
    assert activity_report("nothing") is None


@pytest.mark.parametrize(
    "change",
    [
        ("true", "1"),
        ("true", "null"),
        (":90", ":-9"),
        (":90", ":1e400"),
        (":90", ':"9"'),
        (":90", f":{2**40}"),
        ("{", "["),
    ],
)
def test_a_time_of_idleness_is_whole_and_bounded(change: tuple[str, str]) -> None:
    assert activity_report(f"dind-activity {ACTIVITY.replace(*change, 1)}") is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["ok", "cgroup", "version", "error", "tail", "message"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | texts() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_no_text_whatever_raises(text: str) -> None:
    preflight_report(text)
    daemon_end(text)
    daemon_report("dind-report " + text)
    volume_report("dind-volume " + text)
    activity_report("dind-activity " + text)


@given(JSON)
def test_nothing_unbounded_gets_through(value: Any) -> None:
    report = preflight_report(
        json.dumps(PREFLIGHT | {"kernel": value, "apparmor": {"enabled": True, "profile": value}})
    )
    if report is not None and report.kernel is not None:
        assert len(report.kernel) <= 100
        assert report.kernel.isprintable()


def test_where_nested_containers_are_is_read_beside_the_versions() -> None:
    log = f'{LINE}\nmore\ndind-isolation {{"version":1,"inside":false,"detail":"memory:/docker/x"}}\n'
    found = isolation_report(log)
    assert found is not None
    assert (found.inside, found.detail) == (False, "memory:/docker/x")
    assert daemon_report(log) is not None
    assert isolation_report(LINE) is None


@pytest.mark.parametrize("text", ["", "{}", '{"inside":"yes, all"}', '{"inside":2}', '{"inside":[true]}'])
def test_a_line_that_does_not_say_where_says_nothing(text: str) -> None:
    assert isolation_report(f"dind-isolation {text}") is None


def test_a_detail_that_is_no_sentence_is_dropped_alone() -> None:
    found = isolation_report('dind-isolation {"inside":null,"detail":""}')
    assert found is not None
    assert (found.inside, found.detail) == (None, None)

"""The mount table, words and the termination message, as functions of the shell under both shells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import Sandbox

Sh = Callable[..., str]


@pytest.fixture
def sh(make_sandbox: Callable[..., Sandbox], tool: Path) -> Sh:
    def run(script: str, **options: str) -> str:
        source = 'set -eu; lib=$0; . "$lib/lib.sh"\n'
        done = make_sandbox(**options).run("sh", "-c", source + script, tool, env={"DIND_TERMINATION_LOG": "/run/log"})
        return done.stdout + done.stderr

    return run


def test_the_file_system_is_that_of_the_last_mount_that_covers_the_path(sh: Sh) -> None:
    more = "mkdir -p /run/a/b /run/ab; mount -t ramfs r /run/a; mkdir /run/a/b; mount -t tmpfs t /run/a/b; mount -t ramfs r /run/a/b"
    out = sh("for p in /run /run/a /run/a/x /run/a/b /run/ab /proc/sys; do filesystem_of $p; echo; done", more=more)
    assert out.split() == ["tmpfs", "ramfs", "ramfs", "ramfs", "tmpfs", "proc"]


def test_unmounting_takes_what_is_below_and_stacked_and_nothing_beside(sh: Sh) -> None:
    more = (
        'for d in /run/a \'/run/a/b c\' /run/a/d /run/ab; do mkdir -p "$d"; mount -t tmpfs t "$d"; done; '
        "mkdir -p '/run/a/b c' /run/a/d; mount -t tmpfs t '/run/a/b c'; mount -t tmpfs t /run/a/d"
    )
    out = sh("unmount_all /run/a; grep -o ' /run/a[^ ]*' /proc/self/mountinfo", more=more)
    assert out.split() == ["/run/ab"]


@pytest.mark.parametrize(
    ("text", "words"), [("memory", "memory"), ("cpu,cpuacct", "cpu cpuacct"), ("a,b,c", "a b c"), ("", "")]
)
def test_splitting_at_commas(sh: Sh, text: str, words: str) -> None:
    assert sh(f"split_commas '{text}'; echo \"$words\"") == words + "\n"


def test_a_word_among_words(sh: Sh) -> None:
    out = sh("for w in cpu cpuset mem '' ; do among \"$w\" 'cpu memory' && echo yes || echo no; done")
    assert out.split() == ["yes", "no", "no", "no"]


def test_no_termination_message_is_made_where_the_kubelet_put_no_file(sh: Sh) -> None:
    assert sh("write_termination '{}'; ls /run/log 2>/dev/null || :") == ""
    assert sh(": >/run/log; write_termination '{}'; cat /run/log") == "{}\n"


def test_a_remedy_is_a_field_only_where_a_kubelet_reads(sh: Sh) -> None:
    assert sh("remedy field flag") == "flag"
    assert sh(": >/run/log; remedy field flag") == "field"


def test_an_error_fits_whatever_its_message_holds(sh: Sh) -> None:
    out = sh("json_error Storage StorageNotWritable \"$(head -c 9000 /dev/zero | tr '\\0' '\\001')\"")
    assert len(out) < 3000
    assert set(json.loads(out)["message"]) == {"\x01"}


def test_a_command_that_fails_unexpectedly_is_told_in_the_terms_of_what_was_done(sh: Sh) -> None:
    out = sh(
        'write_failure() { echo "$1/$2"; }; trap \'report_unexpected $?\' EXIT; doing Storage StorageNotWritable "Looking"; '
        "(exit 7); echo unreached"
    )
    assert out.split("\n")[0] == "Storage/StorageNotWritable"
    assert "dind: Looking stopped unexpectedly with status 7." in out
    assert "unreached" not in out

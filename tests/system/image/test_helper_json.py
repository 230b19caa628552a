"""Any bytes become a valid JSON string: what dockerd or the kernel says must never break a report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_HELPER: list[Path] = []


@pytest.fixture(autouse=True)
def _helper_for_properties(helper: Path) -> None:
    _HELPER[:] = [helper]


def escape(text: bytes, *options: str) -> bytes:
    return subprocess.run(
        [str(_HELPER[0]).encode(), b"json-escape", *map(str.encode, options), text], capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", ""),
        (b'say "hi" \\ /', 'say "hi" \\ /'),
        (b"one\ntwo\r\tthree", "one\ntwo\r\tthree"),
        (b"\x01\x1b[31mred\x7f", "\x01\x1b[31mred\x7f"),
        ("äöü € 𝄞".encode(), "äöü € 𝄞"),
        (b"\xff\xfe bad", "�� bad"),
        (b"cut \xe2\x82", "cut ��"),
        (b"overlong \xc0\xaf", "overlong ��"),
        (b"surrogate \xed\xa0\x80", "surrogate ���"),
        (b"beyond \xf4\x90\x80\x80", "beyond ����"),
    ],
)
def test_escaping(text: bytes, value: str) -> None:
    assert json.loads(escape(text).decode("utf-8")) == value


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=300).map(lambda raw: raw.replace(b"\0", b"")))
def test_every_result_is_json_and_keeps_what_was_valid(raw: bytes) -> None:
    value = json.loads(escape(raw).decode("utf-8"))
    try:
        assert value == raw.decode("utf-8")
    except UnicodeDecodeError:
        assert "�" in value


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=300).map(lambda raw: raw.replace(b"\0", b"")), st.integers(0, 60))
def test_a_bounded_result_is_json_within_the_bound(raw: bytes, most: int) -> None:
    escaped = escape(raw, "--max", str(most))
    assert len(escaped) <= most + 2
    json.loads(escaped.decode("utf-8"))


def test_a_text_within_the_bound_is_whole() -> None:
    assert escape(b"x" * 60, "--max", "60") == b'"' + b"x" * 60 + b'"'

"""Colours and a moving line on a terminal, and only there."""

from __future__ import annotations

import io
import json

import pytest
from tests.unit.plugin.states import environment

from dind_operator.plugin import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_gets_colours_unless_its_user_forbids_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output.style("Running", Terminal()) == "\x1b[32mRunning\x1b[0m"
    assert output.style("Running", io.StringIO()) == "Running"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.style("Running", Terminal()) == "Running"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert output.style("Running", Terminal()) == "Running"


def test_progress_is_a_line_for_each_change_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    progress = output.Progress("one", stream)
    for text in ("a", "a", "b"):
        progress.update(text)
    progress.done()
    assert stream.getvalue() == "one: a\none: b\n"


def test_progress_moves_on_a_terminal_and_is_taken_back() -> None:
    stream, times = Terminal(), iter([0.0, 5.0])
    progress = output.Progress("one", stream, lambda: next(times))
    progress.update("x" * 200)
    progress.done()
    line, rest = stream.getvalue().removeprefix("\r\x1b[K").split("\r\x1b[K")
    assert len(line) < 80, "a line that wraps cannot be taken back"
    assert rest == ""
    assert "\n" not in stream.getvalue()


def test_a_table_has_straight_columns() -> None:
    lines = output.table(("A", "B", "C"), [("long name", "x", "last of all"), ("y", "", "-")]).splitlines()
    assert [line.index(end) for line, end in zip(lines, ("C", "last", "-"), strict=True)] == [16, 16, 16]


def test_an_environment_is_shown_as_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for wanted, expected in ((None, "words\n"), ("name", "dindenvironment.dind.dev/one\n")):
        output.print_result(environment(), wanted, "words")
        assert capsys.readouterr().out == expected
    output.print_result(environment(), "json", "words")
    assert json.loads(capsys.readouterr().out) == environment()


def test_complaints_and_remarks_are_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_info("a remark")
    output.print_error("a complaint")
    assert capsys.readouterr() == ("", "a remark\nkubectl dind: a complaint\n")

"""Log lines: one JSON object each, whatever the message holds."""

import json
import logging

import pytest

from dind_operator.manager.log_format import JsonFormatter, TextFormatter, configure


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("dind_operator", logging.WARNING, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_line_about_an_environment_names_it() -> None:
    line = json.loads(
        JsonFormatter().format(
            record("%s -> %s", "new", "Pending", namespace="team-a", environment="builder", seconds=0.1)
        )
    )
    assert line.pop("time")
    assert line == {
        "level": "warning",
        "logger": "dind_operator",
        "message": "new -> Pending",
        "namespace": "team-a",
        "environment": "builder",
        "seconds": 0.1,
    }


@pytest.mark.parametrize("message", ["a\nb", '"quoted"', "\x1b[2J", "ä\u2028", "\ud800"])
def test_any_message_is_one_line_that_can_be_read_back(message: str) -> None:
    text = JsonFormatter().format(record("%s", message))
    assert len(text.splitlines()) == 1
    assert json.loads(text)["message"] == message


def test_an_exception_is_part_of_the_line() -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        made = record("failed")
        made.exc_info = (type(error), error, error.__traceback__)
    line = JsonFormatter().format(made)
    assert "RuntimeError: broken" in json.loads(line)["exception"]
    assert "\n" not in line


def test_text_names_the_environment_too() -> None:
    assert "WARNING team-a/builder: hello" in TextFormatter().format(
        record("hello", namespace="team-a", environment="builder")
    )
    assert "WARNING hello" in TextFormatter().format(record("hello"))


def test_only_our_own_lines_are_chatty() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure("json", "info")
        assert isinstance(root.handlers[0].formatter, JsonFormatter)
        assert logging.getLogger("dind_operator").isEnabledFor(logging.INFO)
        assert not logging.getLogger("kopf.objects").isEnabledFor(logging.INFO)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

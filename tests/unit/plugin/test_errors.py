"""Exit codes are a promise: each has one number, and the page says them all."""

from __future__ import annotations

import re
from pathlib import Path

from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.main import INTERRUPTED, cli

PAGE = (Path(__file__).parents[3] / "docs" / "kubectl-dind.md").read_text()


def test_the_page_lists_every_exit_code_and_no_other() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("##")[0]
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert documented == {int(code) for code in Exit} | {INTERRUPTED}


def test_the_page_lists_every_command() -> None:
    table = PAGE.partition("## Commands")[2].partition("###")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == set(cli.commands)


def test_an_error_has_its_sentence_and_its_code() -> None:
    assert (CliError("a").code, NotFoundError("a").code) == (Exit.FAILED, Exit.NOT_FOUND)
    assert str(CliError("what is wrong")) == CliError("what is wrong").message == "what is wrong"

"""`kubectl dind shell`."""

from __future__ import annotations

import sys

import click

from dind_operator.api import names
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl

_SHELL = "command -v bash >/dev/null && exec bash || exec sh"
"""Whichever the daemon's image has."""


@click.command()
@options.name_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@options.targeted
def shell(kubectl: Kubectl, name: str, arguments: tuple[str, ...]) -> None:
    """Open a shell in the daemon's container.

    Docker and its socket are there. The exit code is the shell's.

    \b
    kubectl dind shell builder
    kubectl dind shell builder -- docker info
    """
    environment = kubectl.environment(name)
    state.check_runs(environment)
    state.check_not_over(environment)
    command = arguments or ("sh", "-c", _SHELL)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    kubectl.become(
        "exec", "--stdin", *terminal, f"pods/{name}", f"--container={names.DAEMON_CONTAINER}", "--", *command
    )

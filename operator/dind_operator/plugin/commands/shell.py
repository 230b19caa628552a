"""`kubectl dind shell`."""

from __future__ import annotations

import sys

import click

from dind_operator.api import names
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl

_SHELL = "command -v bash >/dev/null && exec bash || exec sh"
"""bash if the image of the daemon contains it."""


@click.command()
@options.name_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@options.targeted
def shell(kubectl: Kubectl, name: str, arguments: tuple[str, ...]) -> None:
    """Open a shell in the container of the daemon.

    The container has the socket of the daemon and, if the image contains it, the docker CLI. The exit code is that of the
    shell or COMMAND.

    \b
    kubectl dind shell builder
    kubectl dind shell builder -- docker info
    """
    environment = kubectl.environment(name)
    state.check_not_stopped(environment)
    state.check_not_completed(environment)
    command = arguments or ("sh", "-c", _SHELL)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    kubectl.execute(
        "exec", "--stdin", *terminal, f"pods/{name}", f"--container={names.DAEMON_CONTAINER}", "--", *command
    )

"""`kubectl dind docker`."""

from __future__ import annotations

import os

import click

from dind_operator.plugin import options
from dind_operator.plugin.kubectl import Kubectl, execute, find_program
from dind_operator.plugin.session.open import open_session


@click.command()
@options.name_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@options.targeted
def docker(kubectl: Kubectl, name: str, arguments: tuple[str, ...]) -> None:
    """Run docker on this machine against the daemon.

    The exit code is that of docker. Arguments after -- are passed to docker.

    \b
    kubectl dind docker builder -- ps --all
    kubectl dind docker builder -- run --rm -it alpine
    """
    command = [find_program("docker"), *arguments]
    session = open_session(kubectl, name, str(os.getpid()))
    # These variables would take precedence over the session, or conflict with it.
    inherited = {key: value for key, value in os.environ.items() if key not in ("DOCKER_CONTEXT", "DOCKER_TLS")}
    execute(command, inherited | session.variables())

"""`env`, `docker` and `shell`: using the daemon."""

from __future__ import annotations

import json
import os
import sys

import click

from dind_operator.api import names
from dind_operator.cli import options, state
from dind_operator.cli.kubectl import Kubectl, become, program
from dind_operator.cli.opening import exports, find_session, open_session, pending, unsets
from dind_operator.cli.output import say

_SHELL = "command -v bash >/dev/null && exec bash || exec sh"
"""Whichever the daemon's image has."""


@click.command()
@options.name_argument
@click.option("--stop", is_flag=True, help="End the forward, and print what takes the variables back.")
@click.option("--shell", type=click.Choice(["sh", "fish"]), help="For which shell.  [default: by $SHELL]")
@options.output_option("json")
@options.targeted
def env(kubectl: Kubectl, name: str, stop: bool, shell: str | None, output: str | None) -> None:
    """Print what lets docker in this shell use the environment.

    The daemon's port is forwarded in the background as long as the shell lives and the environment exists, also to a new
    pod. The client's files are in a folder of your own and go with the forward.

    \b
    eval "$(kubectl dind env builder)"
    docker ps
    eval "$(kubectl dind env builder --stop)"
    kubectl dind env builder --shell fish | source
    """
    chosen = shell or ("fish" if os.environ.get("SHELL", "").endswith("/fish") else "sh")
    if stop:
        stopped = find_session(kubectl, name).stop()
        if output is None:
            sys.stdout.write(unsets(chosen))
        say(f"The forward to {name} has ended." if stopped else f"There was no forward to {name}.")
        return
    session = open_session(kubectl, name, pending())
    if output == "json":
        print(json.dumps(session.variables(), indent=2))
        return
    if sys.stdout.isatty():
        say(f'# Run by your shell, this lets docker use {name}: eval "$(kubectl dind env {name})"')
    sys.stdout.write(exports(session, chosen))


@click.command()
@options.name_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@options.targeted
def docker(kubectl: Kubectl, name: str, arguments: tuple[str, ...]) -> None:
    """Run docker, on this machine, against the environment. Its exit code is docker's.

    \b
    kubectl dind docker builder -- ps --all
    kubectl dind docker builder -- run --rm -it alpine
    """
    line = [program("docker"), *arguments]
    session = open_session(kubectl, name, str(os.getpid()))
    # A context that the user has chosen for himself is not meant here.
    mine = {key: value for key, value in os.environ.items() if key not in ("DOCKER_CONTEXT", "DOCKER_TLS")}
    become(line, mine | session.variables())


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

"""`kubectl dind env`."""

from __future__ import annotations

import json
import os
import sys

import click

from dind_operator.plugin import options
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import say
from dind_operator.plugin.session.open import exports, find_session, open_session, pending, unsets


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

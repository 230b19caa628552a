"""`kubectl dind env`."""

from __future__ import annotations

import json
import os
import sys

import click

from dind_operator.plugin import options
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import print_info
from dind_operator.plugin.session.open import exports, find_session, open_session, pending_user, unsets

_OTHER_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables for which the Python library requests, and so docker-py, ignores the certificate authority that a client chooses."""


@click.command()
@options.name_argument
@click.option("--stop", is_flag=True, help="Stop port forwarding and print commands that unset the variables.")
@click.option("--shell", type=click.Choice(["sh", "fish"]), help="Syntax of the commands.  [default: from $SHELL]")
@options.output_option("json")
@options.targeted
def env(kubectl: Kubectl, name: str, stop: bool, shell: str | None, output: str | None) -> None:
    """Print shell commands that connect docker to an environment.

    A background process forwards the port of the daemon until the shell exits or the environment is deleted. It reconnects
    when the pod is replaced. The certificates and the key of the client are stored in a private directory, which is deleted
    when port forwarding stops.

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
        print_info(f"Port forwarding to {name} is stopped." if stopped else f"There is no port forwarding to {name}.")
        return
    session = open_session(kubectl, name, pending_user())
    for variable in filter(os.environ.get, _OTHER_AUTHORITIES):
        print_info(
            f"{variable} is set. Programs that use docker-py, such as Testcontainers for Python, then fail with "
            f"CERTIFICATE_VERIFY_FAILED, because they ignore the certificate authority of the daemon. Run them without the variable: "
            f"env -u {variable} PROGRAM"
        )
    if output == "json":
        print(json.dumps(session.variables(), indent=2))
        return
    if sys.stdout.isatty():
        print_info(f'# To connect docker to {name}, run: eval "$(kubectl dind env {name})"')
    sys.stdout.write(exports(session, chosen))

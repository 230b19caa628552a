"""`kubectl dind logs`."""

from __future__ import annotations

import click

from dind_operator.api import names
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl


@click.command()
@options.name_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, help="How many of the last lines.  [default: all]")
@click.option("--since", metavar="TIME", help="Only what is younger, such as 10m.")
@click.option("-p", "--previous", is_flag=True, help="Of the container before its last restart.")
@click.option("--check", is_flag=True, help="Of the pod's first container, which checks the node.")
@options.targeted
def logs(kubectl: Kubectl, name: str, follow: bool, tail: int, since: str | None, previous: bool, check: bool) -> None:
    """Print the daemon's log.

    \b
    kubectl dind logs builder --follow --tail 50
    """
    state.check_runs(kubectl.environment(name))
    container = names.INIT_CONTAINER if check else names.DAEMON_CONTAINER
    flags = [
        flag for given, flag in ((follow, "--follow"), (previous, "--previous"), (since, f"--since={since}")) if given
    ]
    kubectl.become("logs", f"pods/{name}", f"--container={container}", f"--tail={tail}", *flags)

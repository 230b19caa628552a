"""`kubectl dind logs`."""

from __future__ import annotations

import click

from dind_operator.api import names
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl


@click.command()
@options.name_argument
@click.option("-f", "--follow", is_flag=True, help="Follow the log.")
@click.option(
    "--tail", type=click.IntRange(min=-1), default=-1, help="Number of lines from the end of the log.  [default: all]"
)
@click.option("--since", metavar="TIME", help="Print only lines newer than a duration, such as 10m.")
@click.option("-p", "--previous", is_flag=True, help="Print the log of the previous instance of the container.")
@click.option("--check", is_flag=True, help="Print the log of the init container, which checks the node.")
@options.targeted
def logs(kubectl: Kubectl, name: str, follow: bool, tail: int, since: str | None, previous: bool, check: bool) -> None:
    """Print the log of the daemon.

    \b
    kubectl dind logs builder --follow --tail 50
    """
    state.check_not_stopped(kubectl.environment(name))
    container = names.INIT_CONTAINER if check else names.DAEMON_CONTAINER
    flags = [
        flag for given, flag in ((follow, "--follow"), (previous, "--previous"), (since, f"--since={since}")) if given
    ]
    kubectl.execute("logs", f"pods/{name}", f"--container={container}", f"--tail={tail}", *flags)

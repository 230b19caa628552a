"""`kubectl dind wait`."""

from __future__ import annotations

import click

from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress, print_result
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@options.name_argument
@click.option(
    "--for",
    "goal",
    type=click.Choice([goal.value for goal in Goal]),
    default=Goal.READY.value,
    show_default=True,
    help="State to wait for.",
)
@options.timeout_option("5m")
@options.output_option("json", "name")
@options.targeted
def wait(kubectl: Kubectl, name: str, goal: str, timeout: float, output: str | None) -> None:
    """Wait until an environment reaches a state.

    The progress is printed to standard error.

    \b
    ready      the daemon responds to requests
    endpoint   the daemon and its endpoint are ready, which `env` and `docker` require
    suspended  the environment is suspended or expired, and its pod is deleted
    deleted    the environment and its pod are deleted

    \b
    kubectl dind wait builder --for endpoint --timeout 2m
    """
    environment = wait_for(kubectl, name, Goal(goal), timeout, Progress(name))
    if environment is not None:
        print_result(environment, output, f"{name}: {state.describe(environment)}")
    elif output is None:
        print(f"{name} is deleted.")

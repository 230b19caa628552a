"""`kubectl dind wait`."""

from __future__ import annotations

import click

from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress, show
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@options.name_argument
@click.option(
    "--for",
    "goal",
    type=click.Choice([goal.value for goal in Goal]),
    default=Goal.READY.value,
    show_default=True,
    help="What to wait for.",
)
@options.timeout_option("5m")
@options.output_option("json", "name")
@options.targeted
def wait(kubectl: Kubectl, name: str, goal: str, timeout: float, output: str | None) -> None:
    """Wait for an environment, and tell meanwhile what it does.

    \b
    ready      its daemon answers
    endpoint   and clients can get in: what `env` and `docker` need
    suspended  its pod is gone
    deleted    it is gone, with its pod

    \b
    kubectl dind wait builder --for endpoint --timeout 2m
    """
    environment = wait_for(kubectl, name, Goal(goal), timeout, Progress(name))
    if environment is not None:
        show(environment, output, f"{name}: {state.doing(environment)}")
    elif output is None:
        print(f"{name} is gone.")

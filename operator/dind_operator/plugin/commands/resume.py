"""`kubectl dind resume`."""

from __future__ import annotations

import click

from dind_operator.api.spec import OperatingMode
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress, print_result
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@options.name_argument
@options.wait_option(True, "Wait until the daemon is ready.")
@options.timeout_option("5m")
@options.output_option("json", "name")
@options.targeted
def resume(kubectl: Kubectl, name: str, wait: bool, timeout: float, output: str | None) -> None:
    """Resume a suspended environment.

    \b
    kubectl dind resume builder
    """
    environment = kubectl.patch(name, {"spec": {"operatingMode": OperatingMode.RUNNING.value}})
    if state.expired(environment):
        state.check_not_stopped(environment)
    if wait:
        environment = wait_for(kubectl, name, Goal.READY, timeout, Progress(name)) or environment
    print_result(environment, output, f"{name} is {'ready' if wait else 'being resumed'}.")

"""`kubectl dind suspend`."""

from __future__ import annotations

import click

from dind_operator.api.spec import OperatingMode
from dind_operator.plugin import options
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress, print_result
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@options.name_argument
@options.wait_option(True, "Wait until the pod is deleted.")
@options.timeout_option("2m")
@options.output_option("json", "name")
@options.targeted
def suspend(kubectl: Kubectl, name: str, wait: bool, timeout: float, output: str | None) -> None:
    """Suspend an environment: delete its pod.

    The environment, its endpoint and its certificates are kept. Data on emptyDir and ephemeral volumes, such as images, is
    lost.

    \b
    kubectl dind suspend builder
    """
    environment = kubectl.patch(name, {"spec": {"operatingMode": OperatingMode.SUSPENDED.value}})
    if wait:
        environment = wait_for(kubectl, name, Goal.SUSPENDED, timeout, Progress(name)) or environment
    print_result(
        environment,
        output,
        f"{name} is {'suspended' if wait else 'being suspended'}. Resume it with: kubectl dind resume {name}",
    )

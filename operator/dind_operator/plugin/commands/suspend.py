"""`kubectl dind suspend`."""

from __future__ import annotations

import click

from dind_operator.api.spec import OperatingMode
from dind_operator.plugin import options
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress, show
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@options.name_argument
@options.wait_option(True, "Wait until the pod is gone.")
@options.timeout_option("2m")
@options.output_option("json", "name")
@options.targeted
def suspend(kubectl: Kubectl, name: str, wait: bool, timeout: float, output: str | None) -> None:
    """Remove the pod and keep the rest.

    Endpoint, certificates and settings stay. What is on an emptyDir or a claimed volume, images above all, goes with the pod.

    \b
    kubectl dind suspend builder
    """
    environment = kubectl.patch(name, {"spec": {"operatingMode": OperatingMode.SUSPENDED.value}})
    if wait:
        environment = wait_for(kubectl, name, Goal.SUSPENDED, timeout, Progress(name)) or environment
    show(
        environment,
        output,
        f"{name} is {'suspended' if wait else 'being suspended'}. Have it back with: kubectl dind resume {name}",
    )

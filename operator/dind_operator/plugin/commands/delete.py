"""`kubectl dind delete`."""

from __future__ import annotations

from typing import Any

import click

from dind_operator.plugin import options
from dind_operator.plugin.errors import NotFoundError
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.kubectl_errors import ENVIRONMENTS
from dind_operator.plugin.output import Progress, print_result
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@click.argument("names", type=options.Name(), metavar="NAME...", nargs=-1, required=True)
@options.wait_option(True, "Wait until the environments and their pods are deleted.")
@options.timeout_option("2m")
@click.option("--ignore-not-found", is_flag=True, help="Do not fail if an environment does not exist.")
@options.output_option("name")
@options.targeted
def delete(
    kubectl: Kubectl, names: tuple[str, ...], wait: bool, timeout: float, ignore_not_found: bool, output: str | None
) -> None:
    """Delete environments and their pods.

    Data on emptyDir and ephemeral volumes, such as images, is lost.

    \b
    kubectl dind delete builder
    """
    deleting: list[dict[str, Any]] = []
    missing: NotFoundError | None = None
    for name in dict.fromkeys(names):
        try:
            environment = kubectl.environment(name)
            kubectl("delete", ENVIRONMENTS, name, "--wait=false", what=kubectl.describe(name))
            deleting.append(environment)
        except NotFoundError as error:
            if not ignore_not_found:
                missing = missing or error
    for environment in deleting:
        name = environment["metadata"]["name"]
        if wait:
            wait_for(kubectl, name, Goal.DELETED, timeout, Progress(name), uid=environment["metadata"]["uid"])
        print_result(environment, output, f"{name} is {'deleted' if wait else 'being deleted'}.")
    if missing is not None:
        raise missing

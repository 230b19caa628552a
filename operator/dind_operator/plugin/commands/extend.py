"""`kubectl dind extend`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from dind_operator.plugin import extension as extending
from dind_operator.plugin import options
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import show


@click.command()
@options.name_argument
@click.argument("until", metavar="[TIME]", required=False)
@click.option("--remove", is_flag=True, help="Take an extension back; its lifetime alone counts again.")
@options.output_option("json", "name")
@options.targeted
def extend(kubectl: Kubectl, name: str, until: str | None, remove: bool, output: str | None) -> None:
    """Keep an environment longer than its lifetime.

    One that has expired comes back. TIME is a duration from now (30m, 8h, 7d), or a time with its zone. It never
    shortens what is there.

    \b
    kubectl dind extend builder 8h
    kubectl dind extend builder 2030-01-31T18:00:00Z
    kubectl dind extend builder --remove
    """
    if remove == (until is not None):
        raise click.UsageError("Give a TIME, or --remove, and not both.")
    if until is None:
        show(kubectl.patch(name, extending.change(None)), output, f"{name} is not extended any more.")
        return
    moment = extending.until(until, datetime.now(UTC))
    environment = kubectl.environment(name)
    if environment["metadata"].get("deletionTimestamp"):
        raise CliError(f"{name} is being deleted.", Exit.NOT_USABLE)
    if not (environment.get("spec") or {}).get("lifetime"):
        show(environment, output, f"{name} has no lifetime: it never expires. Nothing was changed.")
        return
    kept = extending.kept_until(environment)
    if kept is not None and kept >= moment:
        show(environment, output, f"{name} is kept until {extending.written(kept)} already. Nothing was changed.")
        return
    show(kubectl.patch(name, extending.change(moment)), output, f"{name} is kept until {extending.written(moment)}.")

"""`kubectl dind extend`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from dind_operator.plugin import extension, options
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import print_result


@click.command()
@options.name_argument
@click.argument("until", metavar="[TIME]", required=False)
@click.option("--remove", is_flag=True, help="Remove the extension.")
@options.output_option("json", "name")
@options.targeted
def extend(kubectl: Kubectl, name: str, until: str | None, remove: bool, output: str | None) -> None:
    """Extend the lifetime of an environment.

    An expired environment is resumed. TIME is a duration from now (30m, 8h, 7d) or a time with a time zone. An existing
    extension is never shortened.

    \b
    kubectl dind extend builder 8h
    kubectl dind extend builder 2030-01-31T18:00:00Z
    kubectl dind extend builder --remove
    """
    if remove == (until is not None):
        raise click.UsageError("Either TIME or --remove is required.")
    if until is None:
        print_result(kubectl.patch(name, extension.patch(None)), output, f"The extension of {name} is removed.")
        return
    moment = extension.parse_time_or_duration(until, datetime.now(UTC))
    environment = kubectl.environment(name)
    if environment["metadata"].get("deletionTimestamp"):
        raise CliError(f"{name} is being deleted.", Exit.NOT_USABLE)
    if not (environment.get("spec") or {}).get("lifetime"):
        print_result(environment, output, f"{name} has no spec.lifetime and never expires. Nothing was changed.")
        return
    current = extension.extended_until(environment)
    if current is not None and current >= moment:
        text = f"{name} is already extended until {extension.format_utc(current)}. Nothing was changed."
        print_result(environment, output, text)
        return
    text = f"{name} is extended until {extension.format_utc(moment)}."
    print_result(kubectl.patch(name, extension.patch(moment)), output, text)

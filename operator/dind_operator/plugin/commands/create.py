"""`kubectl dind create`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import yaml

from dind_operator.api.security import SecurityMode
from dind_operator.api.spec import Expire
from dind_operator.plugin import options
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.manifest import SpecFlags, from_flags, from_text
from dind_operator.plugin.output import Progress, print_info, print_result
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@click.argument("name", type=options.Name(), metavar="[NAME]", required=False)
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(allow_dash=True),
    help="File that contains the environment; - reads standard input.",
)
@click.option("--image", help="Image of the daemon.  [default: that of the installation]")
@click.option("--cpu", help="CPU limit of the daemon with all nested containers, such as 4 or 500m.")
@click.option("--memory", help="Memory limit of the daemon with all nested containers, such as 8Gi.")
@click.option("--storage-size", help="Size limit of the volume for images and containers, such as 40Gi.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in SecurityMode]),
    help="Security mode (docs/security.md).",
)
@click.option("--ttl", help="Time to live, such as 8h or 7d.")
@click.option("--idle-timeout", help="Idle time after which the environment expires, such as 2h.")
@click.option(
    "--expire", type=click.Choice([item.value for item in Expire]), help="What happens when the environment expires."
)
@click.option(
    "--dry-run",
    type=click.Choice(["client", "server"]),
    help="client: print the object without sending it; server: validate it without storing it.",
)
@options.output_option("json", "name", "yaml")
@options.wait_option(True, "Wait until the daemon is ready.")
@options.timeout_option("5m")
@options.targeted
def create(
    kubectl: Kubectl,
    name: str | None,
    file: str | None,
    dry_run: str | None,
    output: str | None,
    wait: bool,
    timeout: float,
    **flags: str | None,
) -> None:
    """Create an environment and wait until its daemon is ready.

    \b
    kubectl dind create builder --cpu 4 --memory 8Gi --storage-size 40Gi --ttl 7d
    kubectl dind create -f examples/builder.yaml --no-wait
    """
    manifest = _manifest(name, file, SpecFlags(**flags))
    if dry_run == "client":
        sys.stdout.write(json.dumps(manifest, indent=2) + "\n" if output == "json" else _yaml(manifest))
        return
    name = manifest["metadata"]["name"]
    extra = ["--dry-run=server"] if dry_run else []
    created = kubectl.json("create", *extra, "--filename=-", stdin=json.dumps(manifest), what=kubectl.describe(name))
    if dry_run:
        _print(created, output, f"{name} is valid and was not created (server dry run).")
        return
    if wait:
        print_info(f"{name} is created.")
        created = wait_for(kubectl, name, Goal.READY, timeout, Progress(name)) or created
        _print(created, output, f'{name} is ready. Use it with: eval "$(kubectl dind env {name})"')
    else:
        _print(created, output, f"{name} is created. Wait with: kubectl dind wait {name}")


def _manifest(name: str | None, file: str | None, flags: SpecFlags) -> dict[str, Any]:
    if file is None:
        if name is None:
            raise click.UsageError("NAME or -f is required.")
        return from_flags(name, flags)
    if flags.any():
        raise click.UsageError("-f and flags that set fields are mutually exclusive. Set the fields in the file.")
    try:
        with click.open_file(file, encoding="utf-8") as source:
            text = source.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"the file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is not a text file'}.",
            Exit.USAGE,
        ) from error
    return from_text(text, name)


def _print(environment: dict[str, Any], output: str | None, text: str) -> None:
    if output == "yaml":
        sys.stdout.write(_yaml(environment))
    else:
        print_result(environment, output, text)


def _yaml(manifest: dict[str, Any]) -> str:
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)

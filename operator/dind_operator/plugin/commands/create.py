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
from dind_operator.plugin.manifest import Wishes, from_text, from_wishes
from dind_operator.plugin.output import Progress, say, show
from dind_operator.plugin.waiting import Goal, wait_for


@click.command()
@click.argument("name", type=options.Name(), metavar="[NAME]", required=False)
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(allow_dash=True),
    help="A file with the environment; - reads standard input.",
)
@click.option("--image", help="The daemon's image, with dockerd in it.  [default: the installation's]")
@click.option("--cpu", help="Limit of cpu of the daemon and all in it, such as 4 or 500m.")
@click.option("--memory", help="Limit of memory of the daemon and all in it, such as 8Gi.")
@click.option("--storage-size", help="The most that images and layers may take, such as 40Gi.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in SecurityMode]),
    help="Privileges of the daemon (docs/security.md).",
)
@click.option("--ttl", help="Time to live from now, such as 8h or 7d.")
@click.option("--idle-timeout", help="How long it may be unused, such as 2h.")
@click.option("--expire", type=click.Choice([item.value for item in Expire]), help="What becomes of it then.")
@click.option(
    "--dry-run",
    type=click.Choice(["client", "server"]),
    help="client: print the YAML and ask nobody; server: have it checked.",
)
@options.output_option("json", "name", "yaml")
@options.wait_option(True, "Wait until the daemon answers.")
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
    **wishes: str | None,
) -> None:
    """Make an environment, and wait until its daemon answers.

    \b
    kubectl dind create builder --cpu 4 --memory 8Gi --storage-size 40Gi --ttl 7d
    kubectl dind create -f examples/builder.yaml --no-wait
    """
    manifest = _manifest(name, file, Wishes(**wishes))
    if dry_run == "client":
        sys.stdout.write(json.dumps(manifest, indent=2) + "\n" if output == "json" else _yaml(manifest))
        return
    name = manifest["metadata"]["name"]
    flags = ["--dry-run=server"] if dry_run else []
    made = kubectl.json("create", *flags, "--filename=-", stdin=json.dumps(manifest), what=kubectl.named(name))
    if dry_run:
        _show(made, output, f"{name} would be created; nothing was.")
        return
    if wait:
        say(f"{name} is created.")
        made = wait_for(kubectl, name, Goal.READY, timeout, Progress(name)) or made
        _show(made, output, f'{name} is ready. Use it with: eval "$(kubectl dind env {name})"')
    else:
        _show(made, output, f"{name} is created. Wait with: kubectl dind wait {name}")


def _manifest(name: str | None, file: str | None, wishes: Wishes) -> dict[str, Any]:
    if file is None:
        if name is None:
            raise click.UsageError("Give a NAME, or a file with -f.")
        return from_wishes(name, wishes)
    if wishes.any():
        raise click.UsageError(
            "-f takes the whole environment from the file: leave the flags of its fields out, or -f."
        )
    try:
        with click.open_file(file, encoding="utf-8") as source:
            text = source.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"the file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.", Exit.USAGE
        ) from error
    return from_text(text, name)


def _show(environment: dict[str, Any], output: str | None, text: str) -> None:
    if output == "yaml":
        sys.stdout.write(_yaml(environment))
    else:
        show(environment, output, text)


def _yaml(manifest: dict[str, Any]) -> str:
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)

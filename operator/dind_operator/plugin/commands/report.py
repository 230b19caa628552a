"""`kubectl dind report`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Literal, cast

import click

from dind_operator.plugin import options
from dind_operator.plugin.errors import CliError
from dind_operator.plugin.kubectl import Kubectl


@click.command()
@options.name_argument
@click.option(
    "--lines",
    type=click.IntRange(0, 1000),
    default=30,
    show_default=True,
    help="Number of lines from the end of each log.",
)
@click.option(
    "--node-log",
    metavar="FILE",
    help="Output of `journalctl -k` on the node, to add AppArmor messages; - reads standard input.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "yaml"]), default="text", show_default=True, help="Output format."
)
@options.targeted
def report(kubectl: Kubectl, name: str, lines: int, node_log: str | None, output: str) -> None:
    """Print the information for a bug report.

    Secrets that the command recognizes are masked. Read the report before you publish it.

    \b
    kubectl dind report builder >report.txt
    """
    from dind_operator.report.gather import UnreportableError, report_text, write  # noqa: PLC0415 - importing the client is slow

    kubectl.environment(name)  # reports failures with the messages and exit codes of the other commands
    namespace = kubectl.cluster_user_namespace()[2]
    if kubectl.target.kubeconfig:
        os.environ["KUBECONFIG"] = kubectl.target.kubeconfig
    chosen = cast(Literal["text", "yaml"], output)
    try:
        text = asyncio.run(report_text(name, namespace, lines, chosen, node_log, context=kubectl.target.context))
    except UnreportableError as error:
        raise CliError(str(error)) from error
    sys.stdout.flush()
    write(text)

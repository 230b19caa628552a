"""`list`, `wait`, `logs` and `report`: what a user sees of environments."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any, Literal, cast

import click

from dind_operator.api import names
from dind_operator.api.condition_types import ConditionType
from dind_operator.cli import options, state
from dind_operator.cli.errors import CliError
from dind_operator.cli.kubectl import Kubectl
from dind_operator.cli.output import NAME_PREFIX, Progress, say, show, table
from dind_operator.cli.refusals import ENVIRONMENTS
from dind_operator.cli.waiting import Goal, wait_for
from dind_operator.runtime.redact import visible

HEAD = ("NAME", "PHASE", "READY", "NODE", "DOCKER", "EXPIRES", "AGE", "NOW")


@click.command("list")
@click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces.")
@click.option("-l", "--selector", help="By label, as kubectl has it.")
@options.output_option("json", "name")
@options.targeted
def list_(kubectl: Kubectl, all_namespaces: bool, selector: str | None, output: str | None) -> None:
    """List environments, and what each is doing.

    \b
    kubectl dind list -A
    """
    flags = (["--all-namespaces"] if all_namespaces else []) + ([f"--selector={selector}"] if selector else [])
    found = kubectl.json("get", ENVIRONMENTS, *flags)
    items = found["items"]
    if output == "json":
        print(json.dumps(found, indent=2))
    elif output == "name":
        print("".join(f"{NAME_PREFIX}{item['metadata']['name']}\n" for item in items), end="")
    elif items:
        now = datetime.now(UTC)
        head = ("NAMESPACE", *HEAD) if all_namespaces else HEAD
        first = [[item["metadata"]["namespace"]] if all_namespaces else [] for item in items]
        print(table(head, [[*before, *row(item, now)] for before, item in zip(first, items, strict=True)]))
    else:
        where = "" if all_namespaces else f" in the namespace {kubectl.where()[2]}"
        say(f"No environments{where}. Make one with: kubectl dind create NAME")


def row(environment: dict[str, Any], now: datetime) -> list[str]:
    """One line of the list."""
    status = environment.get("status") or {}
    words = (
        status.get("phase"),
        state.condition(environment, ConditionType.READY).get("status"),
        status.get("nodeName"),
        (status.get("docker") or {}).get("serverVersion"),
        (status.get("lifetime") or {}).get("expiresAt"),
    )
    cells = [visible(str(word)) if word else "-" for word in words]
    return [environment["metadata"]["name"], *cells, state.age(environment, now), state.doing(environment)]


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


@click.command()
@options.name_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, help="How many of the last lines.  [default: all]")
@click.option("--since", metavar="TIME", help="Only what is younger, such as 10m.")
@click.option("-p", "--previous", is_flag=True, help="Of the container before its last restart.")
@click.option("--check", is_flag=True, help="Of the pod's first container, which checks the node.")
@options.targeted
def logs(kubectl: Kubectl, name: str, follow: bool, tail: int, since: str | None, previous: bool, check: bool) -> None:
    """Print the daemon's log.

    \b
    kubectl dind logs builder --follow --tail 50
    """
    state.check_runs(kubectl.environment(name))
    container = names.INIT_CONTAINER if check else names.DAEMON_CONTAINER
    flags = [
        flag for given, flag in ((follow, "--follow"), (previous, "--previous"), (since, f"--since={since}")) if given
    ]
    kubectl.become("logs", f"pods/{name}", f"--container={container}", f"--tail={tail}", *flags)


@click.command()
@options.name_argument
@click.option(
    "--lines",
    type=click.IntRange(0, 1000),
    default=30,
    show_default=True,
    help="How many of the last lines of each log.",
)
@click.option(
    "--node-log",
    metavar="FILE",
    help="What `journalctl -k` printed on the node, for its AppArmor messages; - reads standard input.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "yaml"]), default="text", show_default=True, help="How to print it."
)
@options.targeted
def report(kubectl: Kubectl, name: str, lines: int, node_log: str | None, output: str) -> None:
    """Print what a bug report needs. Secrets are masked; read it before you publish it.

    \b
    kubectl dind report builder >report.txt
    """
    from dind_operator.runtime.report import UnreportableError, report_text, write  # noqa: PLC0415 - it brings a client, which is slow

    kubectl.environment(name)  # says with kubectl's words, and our exit codes, what would be in the way
    namespace = kubectl.where()[2]
    if kubectl.target.kubeconfig:
        os.environ["KUBECONFIG"] = kubectl.target.kubeconfig
    chosen = cast(Literal["text", "yaml"], output)
    try:
        text = asyncio.run(report_text(name, namespace, lines, chosen, node_log, context=kubectl.target.context))
    except UnreportableError as error:
        raise CliError(str(error)) from error
    sys.stdout.flush()
    write(text)

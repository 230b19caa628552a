"""`kubectl dind list`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from dind_operator.api.condition_types import ConditionType
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.kubectl_errors import ENVIRONMENTS
from dind_operator.plugin.output import NAME_PREFIX, print_info, table
from dind_operator.report.redact import visible

HEAD = ("NAME", "PHASE", "READY", "NODE", "DOCKER", "EXPIRES", "AGE", "STATUS")


@click.command("list")
@click.option("-A", "--all-namespaces", is_flag=True, help="List environments in all namespaces.")
@click.option("-l", "--selector", help="Label selector, as for kubectl.")
@options.output_option("json", "name")
@options.targeted
def list_(kubectl: Kubectl, all_namespaces: bool, selector: str | None, output: str | None) -> None:
    """List environments and their status.

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
        print(table(head, [[*namespace, *row(item, now)] for namespace, item in zip(first, items, strict=True)]))
    else:
        where = "" if all_namespaces else f" in the namespace {kubectl.cluster_user_namespace()[2]}"
        print_info(f"No environments found{where}. Create one with: kubectl dind create NAME")


def row(environment: dict[str, Any], now: datetime) -> list[str]:
    """One row of the list."""
    status = environment.get("status") or {}
    values = (
        status.get("phase"),
        state.condition(environment, ConditionType.READY).get("status"),
        status.get("nodeName"),
        (status.get("docker") or {}).get("serverVersion"),
        (status.get("lifetime") or {}).get("expiresAt"),
    )
    cells = [visible(str(value)) if value else "-" for value in values]
    return [environment["metadata"]["name"], *cells, state.age(environment, now), state.describe(environment)]

"""The tables of permissions in docs/security.md, from the rendered roles. `make docs` writes them, and a test compares them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.tools import tool
from tests.helm import RELEASE, Helm, Manifests

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
Rules = list[dict[str, Any]]

# Each resource needs a reason; otherwise rendering fails.
REASONS = {
    "dindenvironments": "reconcile environments; `delete` only for expired environments with `spec.lifetime.expire: Delete`, with "
    "UID and resource version as preconditions ([lifetimes](lifetimes.md#rights))",
    "dindenvironments/status": "write status; the operator does not write spec",
    "dindenvironments/finalizers": "required by the admission plugin OwnerReferencesPermissionEnforcement for "
    "`blockOwnerDeletion`; the operator sets no finalizers",
    "pods": "manage one pod for each environment",
    "pods/log": "read the versions of Docker, isolation, use and free space from the log of the daemon. Optional (`readPodLogs`)",
    "secrets": "manage certificates of the [endpoint](endpoint.md#objects), by name, without list and watch",
    "services": "manage the Service of the environments of a namespace, by name",
    "networkpolicies": "manage the NetworkPolicies of pods, by name",
    "events": "record Events about environments",
    "poddisruptionbudgets": "manage the budget of environments with `disruptionPolicy: Protect`, by name",
    "namespaces": "read the label that enables environments, and whether a namespace is being deleted",
    "nodes": "read kernel, runtime and architecture for status, and whether a lost node was deleted",
    "customresourcedefinitions": "wait until the CustomResourceDefinition is served",
    "leases": "leader election",
}
ROLES = {
    "dind-environment-view": "view environments. Aggregated to the built-in role `view`",
    "dind-environment-use": "use environments: exec, port-forward, logs, `report`",
    "dind-environment-edit": "create, change and delete environments",
    "dind-environment-admin": "like edit, and delete all environments of a namespace in one request",
}


def tables(manifests: Manifests) -> dict[str, str]:
    """The tables by the name of their markers in the page."""
    operator = manifests.one("ClusterRole", RELEASE)["rules"]
    lease = manifests.one("Role", RELEASE)["rules"]
    return {"operator": _operator(operator, lease), "users": _users(manifests)}


def _operator(rules: Rules, lease: Rules) -> str:
    rows = [(_resource(group, name), verbs, REASONS[name]) for group, name, verbs in _merged(rules)]
    rows += [
        (f"{_resource(group, name)}, in the release's namespace", verbs, REASONS[name])
        for group, name, verbs in _merged(lease)
    ]
    return _table(("resource", "verbs", "why"), rows)


def _users(manifests: Manifests) -> str:
    rows = []
    for name, purpose in ROLES.items():
        rules = _merged(manifests.one("ClusterRole", name)["rules"])
        rows.append((f"`{name}`", purpose, "; ".join(f"`{resource}`: {verbs}" for _, resource, verbs in rules)))
    return _table(("ClusterRole", "users can", "permissions"), rows)


def _merged(rules: Rules) -> Iterator[tuple[str, str, str]]:
    """API group, resource and verbs, with one entry for each resource."""
    found: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), []).extend(rule["verbs"])
    for (group, resource), verbs in found.items():
        yield group, resource, ", ".join(dict.fromkeys(verbs))


def _resource(group: str, name: str) -> str:
    return f"`{name}`" + (f" ({group})" if group else "")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(text: str, manifests: Manifests) -> str:
    """The page with current tables. Raises ValueError if a marker is missing."""
    for name, table in tables(manifests).items():
        begin, end = f"<!-- rights of the {name}, written by `make docs` -->\n", f"<!-- end of the {name} -->\n"
        if begin not in text or end not in text:
            raise ValueError(f"{PAGE.name} lacks the markers {begin.strip()} and {end.strip()}")
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: begin + table + end, text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    rendered = Helm(tool("helm4"), 4, Path(sys.argv[1])).template()
    PAGE.write_text(page(PAGE.read_text(), rendered))

"""The tables of rights in docs/security.md, from the roles that the chart renders: `make docs` writes them, a test compares."""

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

# A resource without a reason is an error: nobody can judge a right whose purpose they do not know.
REASONS = {
    "dindenvironments": "the objects that it serves; delete for one that has expired, if `spec.lifetime.expire` is `Delete`, always "
    "with uid and resource version as preconditions ([lifetimes](lifetimes.md#rights))",
    "dindenvironments/status": "the status; the operator never writes spec",
    "dindenvironments/finalizers": "needed where the admission plugin OwnerReferencesPermissionEnforcement checks "
    "`blockOwnerDeletion`; no finalizer is set",
    "pods": "one pod for each environment",
    "pods/log": "Docker's versions, isolation, use and free space, which the daemon's container logs. Optional (`readPodLogs`)",
    "secrets": "certificates of the [endpoint](endpoint.md#objects), by name; never list or watch",
    "services": "the endpoint's Service, by name",
    "networkpolicies": "the pod's NetworkPolicy, by name",
    "events": "Events about environments",
    "poddisruptionbudgets": "environments with `disruptionPolicy: Protect`, by name",
    "namespaces": "the label that opens a namespace; whether it is being deleted",
    "nodes": "kernel, runtime and architecture for status; whether a lost node is gone",
    "customresourcedefinitions": "to wait until its own definition is served",
    "leases": "leader election",
}
ROLES = {
    "dind-environment-view": "see environments. Aggregated to the built-in role `view`",
    "dind-environment-use": "use a daemon: exec, port-forward, logs, `report`",
    "dind-environment-edit": "create and change environments",
    "dind-environment-admin": "the same, and delete all of a namespace at once",
}


def tables(manifests: Manifests) -> dict[str, str]:
    """By the name of their place in the page."""
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
    return _table(("ClusterRole", "for people who", "rights"), rows)


def _merged(rules: Rules) -> Iterator[tuple[str, str, str]]:
    """API group, resource and verbs; a resource that several rules name comes once."""
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
    """The page with its tables as they are to be. Raises ValueError if it has no place for one."""
    for name, table in tables(manifests).items():
        begin, end = f"<!-- rights of the {name}, written by `make docs` -->\n", f"<!-- end of the {name} -->\n"
        if begin not in text or end not in text:
            raise ValueError(f"{PAGE.name} has no place for the rights of the {name}: {begin.strip()} … {end.strip()}")
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: begin + table + end, text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    rendered = Helm(tool("helm4"), 4, Path(sys.argv[1])).template()
    PAGE.write_text(page(PAGE.read_text(), rendered))

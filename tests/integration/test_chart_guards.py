"""What the chart gives to guard a cluster, by real Helms on a real API server: the policy's life, and the roles for people.

What each rule of the policy refuses is in environments/test_policy.py.
"""

from __future__ import annotations

import pytest
from tests.installation import Installation
from tests.integration.test_chart import bind, wait_served, wait_until_may
from tests.live import Cluster, NotSeenError, eventually

# One worker runs this file: it has an API server of its own.
pytestmark = pytest.mark.xdist_group("chart-guards")

POLICY = {"policy": {"enabled": True, "rules": {"images": ["registry.test/dind/*"]}}}


def test_the_policy_comes_changes_goes_and_comes_back(chart: Installation, cluster: Cluster) -> None:
    """By upgrades, a rollback, and another installation: what is in force is always what the values say."""
    chart.install()
    wait_served(cluster)
    wait_accepted(cluster, "docker:28")
    chart.upgrade(POLICY)
    told = wait_refused(cluster, "docker:28")
    assert "spec.daemon.image docker:28 is not allowed by the policy of this installation" in told
    assert chart.setting("DIND_POLICY_RULES") == '{"images":["registry.test/dind/*"]}'
    wait_accepted(cluster, "registry.test/dind/daemon:1")
    chart.upgrade({"policy": {"enabled": True, "rules": {"images": ["docker:28"]}}})
    wait_accepted(cluster, "docker:28")
    wait_refused(cluster, "registry.test/dind/daemon:1")
    chart.rollback(2)
    wait_refused(cluster, "docker:28")
    chart.upgrade()
    wait_accepted(cluster, "docker:28")
    chart.uninstall()
    chart.install(POLICY)
    wait_refused(cluster, "docker:28")
    wait_accepted(cluster, "registry.test/dind/daemon:1")


def refusal(cluster: Cluster, image: str) -> str:
    """What the API server says to an environment with this image; empty if it is accepted. Nothing is made."""
    kind = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}
    body = {**kind, "metadata": {"name": "probe", "namespace": "default"}, "spec": {"daemon": {"image": image}}}
    return cluster.try_create(body)


def wait_refused(cluster: Cluster, image: str) -> str:
    """The API server takes up a policy within a second or so."""
    return str(eventually(lambda: refusal(cluster, image), f"{image} being refused"))


def wait_accepted(cluster: Cluster, image: str) -> None:
    try:
        eventually(lambda: not refusal(cluster, image), f"{image} being accepted")
    except NotSeenError as error:
        raise NotSeenError(f"{error}: {refusal(cluster, image)}") from None


def test_each_role_has_what_its_name_says_and_the_next_has_more(chart4: Installation, cluster: Cluster) -> None:
    chart4.install()
    for role in ("view", "use", "edit", "admin"):
        bind(cluster, f"one-with-{role}", f"dind-environment-{role}", f"one-with-{role}")
        wait_until_may(cluster, "list", "dindenvironments", f"one-with-{role}", group="dind.dev")
    may = {
        ("get", "dindenvironments/status", "dind.dev"): {"view", "edit", "admin"},
        ("create", "dindenvironments", "dind.dev"): {"edit", "admin"},
        ("update", "dindenvironments", "dind.dev"): {"edit", "admin"},
        ("patch", "dindenvironments", "dind.dev"): {"edit", "admin"},
        ("delete", "dindenvironments", "dind.dev"): {"edit", "admin"},
        ("deletecollection", "dindenvironments", "dind.dev"): {"admin"},
        ("patch", "dindenvironments/status", "dind.dev"): set(),
        ("create", "pods/exec", ""): {"use"},
        ("get", "pods/log", ""): {"use"},
        ("create", "pods", ""): set(),
        ("delete", "pods", ""): set(),
        ("create", "pods/eviction", ""): set(),
        ("create", "poddisruptionbudgets", "policy"): set(),
        ("get", "secrets", ""): set(),
        ("create", "serviceaccounts/token", ""): set(),
        ("create", "rolebindings", "rbac.authorization.k8s.io"): set(),
    }
    for (verb, resource, group), roles in may.items():
        found = {
            role
            for role in ("view", "use", "edit", "admin")
            if cluster.can(verb, resource, f"one-with-{role}", "default", group=group)
        }
        assert found == roles, (verb, resource)

"""The chart on a real API server, without nodes: what is accepted, who may do what, and Helm's whole life cycle.

What needs the operator to run is in tests/e2e/test_helm.py.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helm import CHART, NAMESPACE, RELEASE
from tests.installation import CRD, Installation, made
from tests.live import ApiError, Cluster, eventually
from tests.policy_cases import CASES

from dind_operator.manager.leader_election import LEASE_NAME

# One worker runs this file: it has an API server of its own.
pytestmark = pytest.mark.xdist_group("chart")

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
ALL_ON: dict[str, Any] = {
    "replicas": 2,
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    },
    "userRoles": {"aggregateToEdit": True, "aggregateToAdmin": True},
    "imagePullSecrets": [{"name": "login"}],
    "apparmor": {
        "load": {"enabled": True, "tolerations": [{"operator": "Exists"}], "priorityClassName": "system-node-critical"},
        "extraRules": "mount fstype=(nfs4),",
    },
    "userNamespaces": {"runtimeClass": {"create": True}},
    "policy": {"enabled": True, "rules": {case.rule: case.allowed for case in reversed(CASES)}},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
                ]
            }
        }
    },
}


@pytest.mark.parametrize("values", [{}, ALL_ON], ids=["defaults", "all-on"])
def test_the_api_server_knows_every_field(chart4: Installation, cluster: Cluster, values: dict[str, Any]) -> None:
    for item in chart4.helm.template(values):
        if item["kind"] == "Pod":
            continue  # admitted below, where its service account exists
        assert cluster.try_apply(item) == "", item["kind"]
    wrong = chart4.helm.template(values).one("Deployment")
    wrong["spec"]["template"]["spec"]["enableServiceLink"] = False
    assert "enableServiceLink" in cluster.try_apply(wrong)


def test_its_pods_are_admitted_where_restricted_is_enforced(chart4: Installation, cluster: Cluster) -> None:
    chart4.install()
    manifests = chart4.helm.template()
    template = manifests.one("Deployment")["spec"]["template"]
    test_pod = manifests.one("Pod")
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    cluster.apply({**account, "metadata": {"name": test_pod["spec"]["serviceAccountName"], "namespace": NAMESPACE}})
    operator_pod = {"apiVersion": "v1", "kind": "Pod", **template}
    operator_pod["metadata"] = {**template["metadata"], "name": "operator", "namespace": NAMESPACE}
    for pod in (operator_pod, test_pod):
        assert cluster.try_create(pod) == ""
        pod["spec"]["containers"][0]["securityContext"]["capabilities"]["drop"] = []
        assert 'violates PodSecurity "restricted' in cluster.try_create(pod)
    cluster.delete("serviceaccount", test_pod["spec"]["serviceAccountName"], NAMESPACE)


def test_install_upgrade_rollback_uninstall(chart: Installation, cluster: Cluster) -> None:
    assert "kubectl label namespace builds dind.dev/environments=enabled" in chart.install()
    assert chart.setting("DIND_RESYNC_SECONDS") == "300"
    chart.upgrade({"resyncSeconds": 60, "readPodLogs": False, "replicas": 2})
    assert chart.setting("DIND_RESYNC_SECONDS") == "60"
    assert chart.deployment()["spec"]["strategy"]["type"] == "RollingUpdate"
    wait_until_may(cluster, "get", "pods/log", OPERATOR, expected=False)
    # Server-side apply would leave defaulted rollingUpdate settings behind, which Recreate may not have.
    chart.rollback(1)
    assert chart.setting("DIND_RESYNC_SECONDS") == "300"
    assert chart.deployment()["spec"]["strategy"] == {"type": "Recreate"}
    wait_until_may(cluster, "get", "pods/log", OPERATOR)
    chart.uninstall()
    everything = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,secrets"
    left = cluster.items(everything, selector=f"app.kubernetes.io/instance={RELEASE}")
    assert [item["metadata"]["name"] for item in left] == []


def test_to_two_replicas_and_back_by_upgrades(chart: Installation) -> None:
    chart.install({"replicas": 2})
    chart.upgrade()
    assert chart.deployment()["spec"]["strategy"] == {"type": "Recreate"}


def test_the_crd_and_environments_are_kept(chart: Installation, cluster: Cluster) -> None:
    chart.install()
    uid = make_environment(cluster)
    chart.upgrade({"crds": {"install": False}})
    assert environment_uid(cluster) == uid
    chart.uninstall()
    assert environment_uid(cluster) == uid
    chart.install()
    chart.uninstall()
    assert "invalid ownership metadata" in chart.refused_install(release="other")
    chart.install(None, "--take-ownership", release="other")
    assert environment_uid(cluster) == uid


def test_environments_go_with_the_crd_when_it_is_not_kept(chart: Installation, cluster: Cluster) -> None:
    chart.install({"crds": {"keep": False}})
    make_environment(cluster)
    chart.uninstall()
    cluster.wait_for("crd", CRD, None, lambda found: found is None, seconds=30, what="gone")


def test_an_upgrade_that_stops_installing_the_crd_leaves_it(chart: Installation, cluster: Cluster) -> None:
    chart.install()
    uid = make_environment(cluster)
    chart.upgrade({"crds": {"install": False}})
    assert environment_uid(cluster) == uid


def test_an_upgrade_updates_the_crd_and_a_rollback_takes_that_back(
    chart: Installation, cluster: Cluster, tmp_path: Path
) -> None:
    older = replace(chart, chart=chart_with_one_column_less(tmp_path / "older"))
    older.install()
    before = columns(cluster)
    chart.upgrade()
    assert len(columns(cluster)) == len(before) + 1
    chart.rollback(1)
    assert columns(cluster) == before


def chart_with_one_column_less(folder: Path) -> Path:
    """The chart as it might have been before a release that changes the CRD."""
    shutil.copytree(CHART, folder)
    file = folder / "files" / "dind.dev_dindenvironments.yaml"
    text = file.read_text()
    start = text.index("    - name: Phase\n")
    file.write_text(text[:start] + text[text.index("    - name: ", start + 1) :])
    return folder


def columns(cluster: Cluster) -> list[Any]:
    found: list[Any] = cluster.existing("crd", CRD)["spec"]["versions"][0]["additionalPrinterColumns"]
    return found


@pytest.mark.matrix
def test_a_release_of_helm_3_is_carried_on_by_helm_4(cluster: Cluster, tmp_path: Path) -> None:
    three, four = made(3, cluster, tmp_path), made(4, cluster, tmp_path)
    try:
        three.install()
        uid = make_environment(cluster)
        four.upgrade({"resyncSeconds": 60, "replicas": 2})
        assert four.setting("DIND_RESYNC_SECONDS") == "60"
        four.rollback(1)
        assert four.setting("DIND_RESYNC_SECONDS") == "300"
        assert four.deployment()["spec"]["strategy"] == {"type": "Recreate"}
        four.uninstall()
        assert environment_uid(cluster) == uid
    finally:
        four.clear()


def make_environment(cluster: Cluster) -> str:
    wait_served(cluster)
    kind = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}
    made = cluster.apply({**kind, "metadata": {"name": "kept", "namespace": "default"}, "spec": {}})
    return str(made["metadata"]["uid"])


def wait_served(cluster: Cluster) -> None:
    """Until environments can be made. Established comes a moment before."""
    cluster.wait_condition("crd", CRD, None, "Established", seconds=30)

    def served() -> bool:
        try:
            return cluster.items(CRD) == []
        except (KeyError, ApiError):
            return False

    eventually(served, "the new kind being served")


def environment_uid(cluster: Cluster) -> str:
    return str(cluster.existing(CRD, "kept", "default")["metadata"]["uid"])


def test_what_the_operator_may_and_may_not(chart4: Installation, cluster: Cluster) -> None:
    chart4.install()
    leases = "coordination.k8s.io"
    wait_until_may(cluster, "update", "leases", OPERATOR, namespace=NAMESPACE, group=leases, name=LEASE_NAME)
    assert cluster.can("create", "leases", OPERATOR, NAMESPACE, group=leases)
    assert not cluster.can("update", "leases", OPERATOR, NAMESPACE, group=leases, name="another")
    assert not cluster.can("update", "leases", OPERATOR, "default", group=leases, name=LEASE_NAME)
    for verb, resource, group in (
        ("create", "pods", ""),
        ("get", "nodes", ""),
        ("list", "dindenvironments", "dind.dev"),
        ("patch", "dindenvironments/status", "dind.dev"),
        ("create", "poddisruptionbudgets", "policy"),
        ("get", "secrets", ""),
        ("update", "services", ""),
        ("delete", "networkpolicies", "networking.k8s.io"),
    ):
        wait_until_may(cluster, verb, resource, OPERATOR, group=group)
    for verb, resource, group in (
        ("list", "secrets", ""),
        ("watch", "secrets", ""),
        ("deletecollection", "secrets", ""),
        ("create", "pods/exec", ""),
        ("get", "nodes/proxy", ""),
        ("patch", "namespaces", ""),
        ("list", "poddisruptionbudgets", "policy"),
        ("patch", "poddisruptionbudgets", "policy"),
        ("patch", "dindenvironments", "dind.dev"),
        ("create", "clusterrolebindings", "rbac.authorization.k8s.io"),
    ):
        assert not cluster.can(verb, resource, OPERATOR, "default", group=group), (verb, resource)


def test_the_roles_of_the_quickstart_are_enough_for_it_and_for_no_more(chart4: Installation, cluster: Cluster) -> None:
    chart4.install()
    who = "a-builder"
    for role in ("edit", "use"):
        bind(cluster, f"quickstart-{role}", f"dind-environment-{role}", who)
    for verb, resource, group in (
        ("create", "dindenvironments", "dind.dev"),
        ("patch", "dindenvironments", "dind.dev"),
        ("watch", "dindenvironments", "dind.dev"),
        ("get", "pods", ""),
        ("create", "pods/exec", ""),
        ("get", "pods/exec", ""),
        ("create", "pods/portforward", ""),
        ("get", "pods/log", ""),
        ("list", "events", ""),
    ):
        wait_until_may(cluster, verb, resource, who, group=group)
        assert not cluster.can(verb, resource, who, "kube-system", group=group), (verb, resource)
    wait_until_may(cluster, "get", "namespaces", who, name="default")
    for verb, resource in (("create", "pods"), ("delete", "pods"), ("get", "secrets"), ("get", "nodes")):
        assert not cluster.can(verb, resource, who, "default"), (verb, resource)


def test_writing_reaches_built_in_roles_only_when_asked(chart4: Installation, cluster: Cluster) -> None:
    for role in ("edit", "admin"):
        bind(cluster, f"a-user-with-{role}", role, f"a-user-with-{role}")
    chart4.install()
    # Reading is aggregated by default, and by way of edit to admin: once it has arrived, writing would have too.
    wait_until_may(cluster, "list", "dindenvironments", "a-user-with-admin", group="dind.dev")
    for role in ("edit", "admin"):
        assert cluster.can("list", "dindenvironments", f"a-user-with-{role}", "default", group="dind.dev")
        assert not cluster.can("create", "dindenvironments", f"a-user-with-{role}", "default", group="dind.dev")
    chart4.upgrade({"userRoles": {"aggregateToAdmin": True}})
    wait_until_may(cluster, "create", "dindenvironments", "a-user-with-admin", group="dind.dev")
    assert not cluster.can("create", "dindenvironments", "a-user-with-edit", "default", group="dind.dev")
    chart4.upgrade({"userRoles": {"aggregateToEdit": True}})
    wait_until_may(cluster, "create", "dindenvironments", "a-user-with-edit", group="dind.dev")


def bind(cluster: Cluster, name: str, role: str, user: str) -> None:
    """Gives a user a ClusterRole in the namespace default."""
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    metadata = {"name": name, "namespace": "default"}
    cluster.apply({**binding, "metadata": metadata, "roleRef": reference, "subjects": [subject]})


def wait_until_may(
    cluster: Cluster,
    verb: str,
    resource: str,
    who: str,
    *,
    expected: bool = True,
    namespace: str = "default",
    group: str = "",
    name: str = "",
) -> None:
    """The API server decides by a cache of the roles, which follows them within moments."""

    def as_expected(_: object) -> bool:
        return cluster.can(verb, resource, who, namespace, group=group, name=name) is expected

    what = f"one where {who} {'may' if expected else 'may not'} {verb} {resource}"
    cluster.wait_for("namespace", namespace, None, as_expected, seconds=30, what=what)

"""What a value turns on and off, and what all objects have in common."""

from typing import Any

import pytest
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests

CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "RuntimeClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
EVERYTHING: dict[str, Any] = {
    "networkPolicy": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
    "apparmor": {"load": {"enabled": True}},
    "policy": {"enabled": True},
    "userNamespaces": {"runtimeClass": {"create": True}},
}


def selected(selector: dict[str, str], manifests: Manifests) -> bool:
    labels: dict[str, str] = manifests.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    return selector.items() <= labels.items()


def test_what_is_installed_by_default(defaults: Manifests) -> None:
    assert sorted((item["kind"], item["metadata"]["name"]) for item in defaults) == [
        ("ClusterRole", "dind-environment-admin"),
        ("ClusterRole", "dind-environment-edit"),
        ("ClusterRole", "dind-environment-use"),
        ("ClusterRole", "dind-environment-view"),
        ("ClusterRole", RELEASE),
        ("ClusterRoleBinding", RELEASE),
        ("CustomResourceDefinition", "dindenvironments.dind.dev"),
        ("Deployment", RELEASE),
        ("Pod", f"{RELEASE}-test"),
        ("Role", RELEASE),
        ("RoleBinding", RELEASE),
        ("Service", f"{RELEASE}-metrics"),
        ("ServiceAccount", RELEASE),
        ("ServiceAccount", f"{RELEASE}-test"),
        ("ValidatingAdmissionPolicy", f"{RELEASE}-account"),
        ("ValidatingAdmissionPolicyBinding", f"{RELEASE}-account"),
    ]


def test_objects_say_which_namespace_they_belong_to(helm: Helm) -> None:
    # So that `helm template | kubectl apply` puts them where Helm would.
    for item in helm.template(EVERYTHING):
        assert item["metadata"].get("namespace") == (None if item["kind"] in CLUSTER_WIDE else NAMESPACE)


def test_objects_are_labelled(helm: Helm) -> None:
    for item in helm.template({**EVERYTHING, "commonLabels": {"team": "platform"}}):
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "dind-operator"
        assert labels["app.kubernetes.io/instance"] == RELEASE
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"] == "dind-operator-0.1.0"
        assert labels["team"] == "platform"


@pytest.mark.parametrize(
    ("values", "release", "expected"),
    [
        ({}, "ours", "ours-dind-operator"),
        ({}, "my-dind-operator", "my-dind-operator"),
        ({"nameOverride": "dind"}, "ours", "ours-dind"),
        ({"fullnameOverride": "exactly"}, "ours", "exactly"),
        ({}, "r" * 53, "r" * 53),
    ],
)
def test_names(helm: Helm, values: dict[str, Any], release: str, expected: str) -> None:
    manifests = helm.template({**EVERYTHING, **values}, release=release)
    assert manifests.one("Deployment")["metadata"]["name"] == expected
    assert manifests.one("ClusterRoleBinding")["roleRef"]["name"] == expected
    assert all(len(item["metadata"]["name"]) <= 63 for item in manifests)


def test_disruption_budget(helm: Helm) -> None:
    manifests = helm.template({"podDisruptionBudget": {"enabled": True}, "replicas": 2})
    spec = manifests.one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert selected(spec["selector"]["matchLabels"], manifests)


@pytest.mark.parametrize(
    ("value", "kind", "endpoints", "port"),
    [
        ("serviceMonitor", "ServiceMonitor", "endpoints", "metrics"),
        ("podMonitor", "PodMonitor", "podMetricsEndpoints", "http"),
    ],
)
def test_monitors(helm: Helm, value: str, kind: str, endpoints: str, port: str) -> None:
    on = {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}}
    manifests = helm.template({"metrics": {value: on}})
    monitor = manifests.one(kind)
    assert len([item for item in manifests if item["kind"].endswith("Monitor")]) == 1
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"][endpoints] == [{"port": port, "path": "/metrics", "interval": "15s"}]
    assert selected(monitor["spec"]["selector"]["matchLabels"], manifests)
    # A ServiceMonitor selects Services by label: the metrics Service must carry them.
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= manifests.one("Service")["metadata"]["labels"].items()


def test_both_monitors_at_once(helm: Helm) -> None:
    manifests = helm.template({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}})
    assert manifests.one("ServiceMonitor")
    assert manifests.one("PodMonitor")


def test_network_policy_lets_metrics_in_and_the_api_out(helm: Helm) -> None:
    manifests = helm.template({"networkPolicy": {"enabled": True, "apiServerPorts": [6443]}})
    spec = manifests.one("NetworkPolicy")["spec"]
    assert selected(spec["podSelector"]["matchLabels"], manifests)
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert [{(port["port"], port["protocol"]) for port in rule["ports"]} for rule in spec["egress"]] == [
        {(53, "UDP"), (53, "TCP")},
        {(6443, "TCP")},
    ]


def test_network_policy_with_named_peers_still_lets_helm_test_in(helm: Helm) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    manifests = helm.template({"networkPolicy": {"enabled": True, "metricsFrom": [peer]}})
    (rule,) = manifests.one("NetworkPolicy")["spec"]["ingress"]
    first, second = rule["from"]
    assert first == peer
    assert second["podSelector"]["matchLabels"].items() <= manifests.one("Pod")["metadata"]["labels"].items()


def test_the_runtime_class_is_made_on_request_and_has_the_name_the_operator_uses(helm: Helm) -> None:
    values: dict[str, Any] = {"name": "nested", "create": True, "handler": "dind", "nodeSelector": {"dind": "yes"}}
    made = helm.template({"userNamespaces": {"runtimeClass": values}}).one("RuntimeClass")
    assert (made["metadata"]["name"], made["handler"]) == ("nested", "dind")
    assert made["scheduling"] == {"nodeSelector": {"dind": "yes"}}
    plain = helm.template({"userNamespaces": {"runtimeClass": {"create": True}}}).one("RuntimeClass")
    assert (plain["metadata"]["name"], plain["handler"], "scheduling" in plain) == ("dind", "dind", False)


def test_helm_test_waits_a_minute_for_each_check_unless_it_is_told_otherwise(helm: Helm) -> None:
    def container(**values: object) -> dict[str, Any]:
        (found,) = helm.template(values).one("Pod")["spec"]["containers"]
        return dict(found)

    assert 'DEADLINE_SECONDS = float(os.environ.get("DIND_HELM_TEST_SECONDS", "60"))' in container()["args"][0]
    assert "env" not in container()
    shorter = [{"name": "DIND_HELM_TEST_SECONDS", "value": "2"}]
    assert container(extraEnv=shorter)["env"] == shorter

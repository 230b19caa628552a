"""Helm 3 and Helm 4 make the same objects of the same values, and refuse the same values with the same words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helm import REQUIRED, Helm, merged
from tests.policy_cases import CASES

# Together they take every branch of the templates that a value decides.
EVERYTHING: dict[str, Any] = {
    "replicas": 2,
    "commonLabels": {"team": "platform"},
    "imagePullSecrets": [{"name": "login"}],
    "image": {"tag": "dev", "operator": {"digest": "sha256:" + "0123456789abcdef" * 4}},
    "hostPath": {"allowedPrefixes": ["/srv/a", "/srv/b"]},
    "allowedServiceAccounts": ["pusher", "ci-*"],
    "clusterCIDRs": ["10.96.0.0/12", "fd00::/48"],
    "metadataAddresses": ["169.254.170.2/32"],
    "registry": {"mirrors": ["https://m.example.com"]},
    "proxy": {"httpProxy": "http://p:3128", "httpsProxy": "http://p:3128", "noProxy": [".example.com"]},
    "defaultReserveMemory": "1.5Gi",
    # A number that Helm, which reads numbers as floats, might write as 1e+06.
    "resyncSeconds": 86400,
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"pool": "a"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
    "metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
    "userRoles": {"aggregateToEdit": True, "aggregateToAdmin": True},
    "policy": {"enabled": True, "rules": {case.rule: case.allowed for case in reversed(CASES)}},
    "apparmor": {"load": {"enabled": True, "namespace": "kube-system"}, "extraRules": "umount,"},
    "userNamespaces": {"runtimeClass": {"create": True, "nodeSelector": {"dind": "yes"}}},
}
NOTHING: dict[str, Any] = {
    "crds": {"install": False},
    "userRoles": {"create": False},
    "serviceAccount": {"create": False, "name": "mine", "admissionPolicy": False},
    "endpoints": {"enabled": False},
    "leaderElection": {"enabled": False},
    "requireNamespaceLabel": False,
    "readPodLogs": False,
}


@pytest.mark.matrix
@pytest.mark.parametrize("values", [{}, EVERYTHING, NOTHING], ids=["defaults", "everything", "nothing"])
def test_both_render_the_same_objects(helm3: Helm, helm4: Helm, values: dict[str, Any]) -> None:
    assert helm3.template(values) == helm4.template(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"imageRegistry": "x"}, "'imageRegistry' not allowed"),
        ({"image": {"nodeTool": {"digest": "sha256:abc"}}}, "does not match pattern"),
        ({"workers": 0}, "minimum: got 0, want 1"),
        ({"replicas": 2, "leaderElection": {"enabled": False}}, "replicas is 2 but leaderElection.enabled is false"),
        ({"image": {"registry": ""}}, "image.registry is empty"),
    ],
)
def test_both_refuse_with_the_same_words(each_helm: Helm, values: dict[str, Any], words: str) -> None:
    done = each_helm.try_template(merged(REQUIRED, values))
    assert done.returncode
    assert words in done.stderr

"""The DaemonSet that loads AppArmor profiles: off by default, no stronger than it must be, and new with every new rule."""

from typing import Any

import pytest
from tests.apparmor import PROFILES, compiled
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests, merged

ON: dict[str, Any] = {"apparmor": {"load": {"enabled": True}}}
SOURCE = PROFILES / "dind"
CHECKSUM = "checksum/profiles"


@pytest.fixture(scope="module")
def manifests(helm: Helm) -> Manifests:
    return helm.template(ON)


def template(manifests: Manifests) -> dict[str, Any]:
    found: dict[str, Any] = manifests.one("DaemonSet")["spec"]["template"]
    return found


def checksum(helm: Helm, values: dict[str, Any]) -> str:
    return str(template(helm.template(merged(ON, values)))["metadata"]["annotations"][CHECKSUM])


def test_nothing_of_it_is_there_by_default(defaults: Manifests) -> None:
    for kind in ("DaemonSet", "ConfigMap", "RuntimeClass"):
        assert not defaults.of(kind)


def test_the_profile_reaches_the_loader_as_it_is_written(manifests: Manifests) -> None:
    data = manifests.one("ConfigMap", f"{RELEASE}-apparmor")["data"]
    assert data["dind"].strip() == SOURCE.read_text().strip()
    assert data["extraRules"].strip() == ""
    spec = template(manifests)["spec"]
    places = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert set(places) == set(volumes)
    for volume, key, path in (
        ("profile", "dind", "/etc/dind-apparmor"),
        ("site", "extraRules", "/etc/apparmor.d/local"),
    ):
        assert volumes[volume]["configMap"]["name"] == f"{RELEASE}-apparmor"
        # The loader reads the one; the profile includes the other by the name local/dind.
        assert volumes[volume]["configMap"]["items"] == [{"key": key, "path": "dind"}]
        assert places[volume] == path
    assert 'source=${DIND_PROFILE:-/etc/dind-apparmor/dind}' in (PROFILES / "loader").read_text()  # fmt: skip
    assert "include if exists <local/dind>" in SOURCE.read_text()


def test_rules_of_the_site_are_included_and_compile(helm: Helm, tmp_path: Any) -> None:
    rules = 'mount fstype=(nfs4),\ncapability syslog, # "dmesg"'
    data = helm.template(merged(ON, {"apparmor": {"extraRules": rules}})).one("ConfigMap")["data"]
    assert data["extraRules"] == f"{rules}\n"
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "dind").write_text(data["extraRules"])
    assert compiled(data["dind"], f"--Include={tmp_path}") != compiled(data["dind"])


def test_a_new_rule_makes_new_pods_and_nothing_else_does(helm: Helm) -> None:
    first = checksum(helm, {})
    assert len(first) == 64
    assert checksum(helm, {"commonLabels": {"team": "platform"}}) == first
    assert checksum(helm, {"apparmor": {"extraRules": "umount,"}}) != first


def test_the_new_pod_comes_before_the_old_one_goes(manifests: Manifests) -> None:
    # The other way round, a node would be without the profiles in between, and would refuse environments.
    assert manifests.one("DaemonSet")["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_it_may_load_profiles_and_nothing_more(manifests: Manifests) -> None:
    spec = template(manifests)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert spec["hostPID"] is True
    assert not spec.keys() & {"hostNetwork", "hostIPC", "initContainers"}
    (loader,) = spec["containers"]
    assert loader["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["MAC_ADMIN"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        "appArmorProfile": {"type": "Unconfined"},
    }
    assert [volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume] == [
        "/sys/kernel/security",
        "/run/dind-apparmor",
    ]
    assert loader["readinessProbe"]["exec"]["command"] == ["/usr/local/lib/dind/loader", "ready"]
    assert loader["args"] == ["run"]
    assert loader["resources"]["limits"].keys() == {"memory"}


def test_it_gets_no_rights_in_the_cluster(helm: Helm, manifests: Manifests, defaults: Manifests) -> None:
    for kind in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount"):
        assert manifests.of(kind) == defaults.of(kind)


def test_no_service_or_policy_of_the_operator_selects_it(helm: Helm) -> None:
    found = helm.template(
        merged(ON, {"networkPolicy": {"enabled": True}, "podDisruptionBudget": {"enabled": True}, "replicas": 2})
    )
    labels = template(found)["metadata"]["labels"]
    selectors = [
        found.one("Service")["spec"]["selector"],
        found.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        found.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        found.one("Deployment")["spec"]["selector"]["matchLabels"],
    ]
    assert not [selector for selector in selectors if selector.items() <= labels.items()]
    assert found.one("DaemonSet")["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_where_it_runs(helm: Helm) -> None:
    load = {
        "namespace": "kube-system",
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "priorityClassName": "system-node-critical",
    }
    image = {"apparmorLoader": {"tag": "2", "pullPolicy": "Always"}}
    values = {"apparmor": {"load": load}, "image": image, "imagePullSecrets": [{"name": "login"}]}
    found = helm.template(merged(ON, values))
    for kind in ("DaemonSet", "ConfigMap"):
        assert found.one(kind)["metadata"]["namespace"] == "kube-system"
    spec = template(found)["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "builds"}
    assert {name: spec[name] for name in ("tolerations", "priorityClassName")} == {
        name: load[name] for name in ("tolerations", "priorityClassName")
    }
    assert spec["imagePullSecrets"] == [{"name": "login"}]
    assert spec["containers"][0]["image"] == "registry.test/dind/apparmor-loader:2"
    assert spec["containers"][0]["imagePullPolicy"] == "Always"


def test_by_default_it_is_beside_the_operator(manifests: Manifests) -> None:
    assert manifests.one("DaemonSet")["metadata"]["namespace"] == NAMESPACE
    assert template(manifests)["spec"]["containers"][0]["image"] == "registry.test/dind/apparmor-loader:0.1.0"

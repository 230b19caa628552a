"""The hash of the user's intent: as still as the user, and as sharp."""

from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model, spec

from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.spec_hash import digest, intent_hash
from dind_operator.pod.variables import INTENT_VARIABLE

DEFAULTS_WRITTEN_OUT: dict[str, Any] = {
    "operatingMode": "Running",
    "daemon": {"resources": {}, "reserve": {}, "config": {}, "args": [], "preload": [], "logLevel": "Info"},
    "storage": {"emptyDir": {"medium": ""}},
    "security": {
        "mode": "Privileged",
        "appArmorProfile": {"type": "Unconfined"},
        "cloudMetadata": "Closed",
        "sysctls": [],
    },
    "scheduling": {"tolerations": [], "nodeSelector": {}},
    "probes": {"startup": {}, "readiness": {}},
    "podMetadata": {"labels": {}, "annotations": {}},
    "network": {
        "avoid": [],
        "firewallBackend": "Auto",
        "ipv6": "Auto",
        "hostAliases": [],
        "dnsPolicy": "ClusterFirst",
        "dnsConfig": {"searches": []},
    },
    "updatePolicy": "Recreate",
    "disruptionPolicy": "Allow",
    "registry": {"mirrors": [], "insecureRegistries": [], "caBundles": [], "mirrorsFor": []},
    "endpoint": {"enabled": True, "extraNames": [], "credentialsGeneration": 1, "allowFrom": []},
}
CHANGES: list[dict[str, Any]] = [
    {"daemon": {"image": "docker:28-dind"}},
    {"podMetadata": {"labels": {"team": "a"}}},
    {"podMetadata": {"annotations": {"team": "a"}}},
    {"daemon": {"imagePullPolicy": "Always"}},
    {"daemon": {"imagePullSecrets": [{"name": "login"}]}},
    {"daemon": {"resources": {"limits": {"memory": "2Gi"}}}},
    {"daemon": {"resources": {"limits": {"memory": "3Gi"}}}},
    {"daemon": {"resources": {"requests": {"memory": "2Gi"}}}},
    {"daemon": {"resources": {"limits": {"memory": "2Gi"}}, "reserve": {"memory": "300Mi"}}},
    {"daemon": {"config": {"mtu": 1400}}},
    {"daemon": {"config": {"mtu": 1401}}},
    {"daemon": {"config": {"dns": []}}},
    {"daemon": {"config": {"features": {}}}},
    {"daemon": {"config": {"features": {"buildkit": None}}}},
    {"daemon": {"args": ["--debug"]}},
    {"daemon": {"args": ["--ipv6", "--debug"]}},
    {"daemon": {"args": ["--debug", "--ipv6"]}},
    {"daemon": {"logLevel": "Debug"}},
    {"storage": {"emptyDir": {"sizeLimit": "20Gi"}}},
    {"storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "20Gi"}}},
    {"storage": {"hostPath": {"path": "/srv/dind/a"}}},
    {"storage": {"hostPath": {"path": "/srv/dind/b"}}},
    {"storage": {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}}},
    {"storage": {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}}}},
    {"security": {"appArmorProfile": {"type": "RuntimeDefault"}}},
    {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "a"}}},
    {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "b"}}},
    {"security": {"mode": "Capabilities"}},
    {"security": {"mode": "UserNamespace"}},
    {"security": {"mode": "UserNamespace", "runtimeClassName": "other"}},
    {"security": {"runtimeClassName": "kata"}},
    {"network": {"mtu": 1400}},
    {"network": {"bridgeAddress": "172.30.0.1/24"}},
    {"network": {"addressPools": [{"base": "172.31.0.0/16", "size": 24}]}},
    {"network": {"avoid": ["10.0.0.0/8"]}},
    {"network": {"dns": {"searches": ["example.com"]}}},
    {"network": {"firewallBackend": "Legacy"}},
    {"network": {"ipv6": "Disabled"}},
    {"network": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}},
    {"network": {"dnsPolicy": "Default"}},
    {"network": {"dnsConfig": {"searches": ["a"]}}},
    {"security": {"serviceAccountName": "a"}},
    {"security": {"sysctls": [{"name": "net.a", "value": "1"}]}},
    {"workloads": {"containers": [{"name": "work", "image": "i"}], "workspace": {"path": "/builds"}}},
    {"scheduling": {"nodeSelector": {"pool": "builders"}}},
    {"scheduling": {"tolerations": [{"key": "builders", "operator": "Exists"}]}},
    {"scheduling": {"priorityClassName": "builds"}},
    {"scheduling": {"schedulerName": "other"}},
    {"probes": {"startup": {"failureThreshold": 600}}},
    {"probes": {"readiness": {"periodSeconds": 20}}},
    {"probes": {"liveness": {"timeoutSeconds": 50}}},
    {"registry": {"mirrors": ["https://mirror.example.com"]}},
    {"registry": {"insecureRegistries": ["10.0.0.5:5000"]}},
    {"registry": {"caBundles": [{"registry": "r.example.com", "configMapRef": {"name": "ca"}}]}},
    {"registry": {"caBundles": [{"registry": "r.example.com", "secretRef": {"name": "ca"}}]}},
    {"registry": {"pullSecret": {"name": "login"}}},
    {"registry": {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://m"]}]}},
    {"registry": {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://n"]}]}},
    {"caBundle": {"configMapRef": {"name": "ca"}}},
    {"caBundle": {"secretRef": {"name": "ca"}}},
    {"network": {"proxy": {"httpProxy": "http://p"}}},
    {"network": {"proxy": {"httpsProxy": "http://p"}}},
    {"network": {"proxy": {"httpsProxy": "http://p", "noProxy": ["a"]}}},
    {"network": {"proxy": {"secretRef": {"name": "proxy"}}}},
    {"daemon": {"preload": ["golang:1.24"]}},
    {"daemon": {"env": [{"name": "A"}]}},
    {"daemon": {"env": [{"name": "A", "value": "b"}]}},
    {"endpoint": {"enabled": False}},
    {"endpoint": {"extraNames": ["builder.example.com"]}},
    {"endpoint": {"extraNames": ["builder.example.com", "192.0.2.10"]}},
    {"endpoint": {"credentialsGeneration": 2}},
    {"workloads": {"containers": [{"name": "work", "image": "i"}]}},
    {"workloads": {"containers": [{"name": "work", "image": "j"}]}},
    {"workloads": {"containers": [{"name": "work", "image": "i"}], "run": 2}},
    {"workloads": {"containers": [{"name": "work", "image": "i"}], "restartPolicy": "OnFailure"}},
]


def test_a_default_written_out_is_the_same_as_one_left_out() -> None:
    assert intent_hash(spec(DEFAULTS_WRITTEN_OUT)) == intent_hash(spec({}))
    work = {"containers": [{"name": "work", "image": "i"}]}
    written = spec({"workloads": {**work, "workspace": {"path": "/workspace"}}})
    assert intent_hash(written) == intent_hash(spec({"workloads": work}))


# As they were before there were modes: an upgrade of the operator must restart nobody.
BEFORE_MODES: list[tuple[dict[str, Any], str]] = [
    ({}, "d827049039f82a8b"),
    ({"security": {"mode": "Privileged"}}, "d827049039f82a8b"),
    (
        {
            "daemon": {"resources": {"limits": {"memory": "2Gi"}}},
            "security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}},
        },
        "b8fda80421cb8cff",
    ),
]


@pytest.mark.parametrize(("fields", "known"), BEFORE_MODES)
def test_a_spec_from_before_there_were_modes_keeps_its_hash(fields: dict[str, Any], known: str) -> None:
    assert intent_hash(spec(fields)) == known


def test_every_change_that_reaches_the_pod_gives_another_hash() -> None:
    hashes = [intent_hash(spec({})), *(intent_hash(spec(change)) for change in CHANGES)]
    assert len(set(hashes)) == len(hashes)


def test_no_field_of_the_spec_is_forgotten_here() -> None:
    changed = {field for change in CHANGES for field in change}
    of_the_daemon = {field for change in CHANGES for field in change.get("daemon", {})}
    names = {info.alias for info in DindEnvironmentSpec.model_fields.values()}
    daemon = DindEnvironmentSpec.model_fields["daemon"].annotation
    assert daemon is not None
    assert changed | {"operatingMode", "updatePolicy", "disruptionPolicy", "lifetime", "publishedPorts"} == names
    assert of_the_daemon == {info.alias for info in daemon.model_fields.values()}


@pytest.mark.parametrize(
    "fields",
    [
        {"operatingMode": "Suspended"},
        {"updatePolicy": "OnDelete"},
        {"disruptionPolicy": "Protect"},
        {"lifetime": {"ttl": "8h"}},
        # The policy is an object of its own, which is changed in place.
        {"endpoint": {"allowFrom": [{"podSelector": {}}]}},
        {"publishedPorts": {"allowFrom": [{"podSelector": {}}], "ports": [{"port": 8080}]}},
        {"security": {"cloudMetadata": "Open"}},
    ],
)
def test_what_the_operator_does_is_not_in_the_pod(fields: dict[str, Any]) -> None:
    assert intent_hash(spec(fields)) == intent_hash(spec({}))


def test_an_upgrade_of_the_operator_changes_no_intent() -> None:
    newer = BuildSettings(daemon_image="d:2", node_tool_image="t:2", default_reserve_memory="300Mi")
    before, after = daemon_pod(model({}), SETTINGS), daemon_pod(model({}), newer)

    def variable(pod: dict[str, Any]) -> str:
        return next(item["value"] for item in pod["spec"]["containers"][0]["env"] if item["name"] == INTENT_VARIABLE)

    assert variable(before) == variable(after)
    assert before["spec"]["containers"][0]["image"] != after["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({}, "d827049039f82a8b"),
        ({"daemon": {"resources": {"limits": {"memory": "2Gi"}}, "reserve": {"memory": "300Mi"}}}, "23de23aef6a6a6c4"),
        ({"storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}}, "9ebb1d69c95ce10a"),
    ],
)
def test_pods_that_exist_are_not_made_again_by_an_upgrade(fields: dict[str, Any], known: str) -> None:
    """The values of the first release: another one would replace every pod."""
    assert intent_hash(spec(fields)) == known


def test_the_order_of_keys_does_not_count() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert len(digest({})) == 16

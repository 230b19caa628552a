"""The operator's pod: what it is told, and how little it may do."""

from typing import Any

import pytest
from tests.helm import REQUIRED, Helm, Manifests, merged

from dind_operator.manager.settings import Settings

DIGEST = "sha256:" + "0123456789abcdef" * 4


def pod(manifests: Manifests) -> dict[str, Any]:
    spec: dict[str, Any] = manifests.one("Deployment")["spec"]["template"]["spec"]
    return spec


def container(manifests: Manifests) -> dict[str, Any]:
    only: dict[str, Any]
    (only,) = pod(manifests)["containers"]
    return only


def settings(manifests: Manifests) -> dict[str, Any]:
    env = container(manifests)["env"]
    found = {item["name"]: item.get("value", item.get("valueFrom")) for item in env}
    assert len(found) == len(env), "a setting is given twice"
    return found


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_pods_are_fit_for_a_restricted_namespace(defaults: Manifests, kind: str) -> None:
    spec = pod(defaults) if kind == "Deployment" else defaults.one("Pod")["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
    assert spec["enableServiceLinks"] is False
    for item in spec["containers"]:
        assert item["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert item["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in item["resources"]["limits"]
    assert {next(iter(volume.keys() - {"name"})) for volume in spec.get("volumes", [])} <= {"emptyDir"}


def test_probes_ask_the_port_that_is_listened_on(defaults: Manifests) -> None:
    operator = container(defaults)
    (port,) = operator["ports"]
    assert (port["name"], str(port["containerPort"])) == ("http", settings(defaults)["DIND_LISTEN_PORT"])
    paths = {name: operator[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/livez", "port": "http"},
        "liveness": {"path": "/livez", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }
    service = defaults.one("Service")
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    labels = defaults.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert not service["spec"]["selector"].items() <= defaults.one("Pod")["metadata"]["labels"].items()


def test_settings_by_default(defaults: Manifests) -> None:
    assert settings(defaults) == {
        "DIND_DAEMON_IMAGE": "registry.test/dind/daemon:0.1.0",
        "DIND_NODE_TOOL_IMAGE": "registry.test/dind/node-tool:0.1.0",
        "DIND_NODE_TOOL_PULL_POLICY": "IfNotPresent",
        "DIND_DEFAULT_RUNTIME_CLASS": "dind",
        "DIND_SUBDOMAIN": "dind",
        "DIND_REQUIRE_NAMESPACE_LABEL": "true",
        "DIND_READ_POD_LOGS": "true",
        "DIND_VOLUME_CHECK_SECONDS": "60",
        "DIND_WORKERS": "32",
        "DIND_RESYNC_SECONDS": "300",
        "DIND_LISTEN_PORT": "8080",
        "DIND_LEADER_ELECTION": "true",
        "DIND_POD_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        "DIND_POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "DIND_ENDPOINTS_ENABLED": "true",
        "DIND_ENDPOINT_CHECK_SECONDS": "60",
        "DIND_LOG_FORMAT": "json",
        "DIND_LOG_LEVEL": "info",
    }


# Whose variables are not there without them.
OPTIONAL = {
    "defaultReserveMemory": "384Mi",
    "hostPath": {"allowedPrefixes": ["/srv"]},
    "allowedServiceAccounts": ["pusher"],
    "policy": {"enabled": True},
    "clusterCIDRs": ["10.0.0.0/8"],
    "metadataAddresses": ["169.254.170.2/32"],
    "registry": {"mirrors": ["https://m.example.com"]},
    "proxy": {"httpsProxy": "http://p.example.com:3128"},
}
# What only tests set.
FOR_TESTS = {"DIND_MINUTE_SECONDS", "DIND_BLOCKED_CHECK_SECONDS", "DIND_BACKOFF_SECONDS"}


def test_every_setting_of_the_operator_has_a_value_and_no_other_is_set(helm: Helm) -> None:
    given = settings(helm.template(OPTIONAL))
    assert set(given) == {f"DIND_{name}".upper() for name in Settings.model_fields} - FOR_TESTS
    read = Settings.model_validate({name.removeprefix("DIND_").lower(): str(value) for name, value in given.items()})
    assert read.listen_port == 8080
    assert read.require_namespace_label is True


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"requireNamespaceLabel": False}, "DIND_REQUIRE_NAMESPACE_LABEL", "false"),
        ({"readPodLogs": False}, "DIND_READ_POD_LOGS", "false"),
        ({"volumeCheckSeconds": 0}, "DIND_VOLUME_CHECK_SECONDS", "0"),
        ({"endpointCheckSeconds": 600}, "DIND_ENDPOINT_CHECK_SECONDS", "600"),
        ({"endpoints": {"enabled": False}}, "DIND_ENDPOINTS_ENABLED", "false"),
        ({"workers": 200}, "DIND_WORKERS", "200"),
        # Helm reads numbers as floats: from a million on they would be written 1e+06, were they not whole.
        ({"resyncSeconds": 86400}, "DIND_RESYNC_SECONDS", "86400"),
        ({"leaderElection": {"enabled": False}}, "DIND_LEADER_ELECTION", "false"),
        ({"logging": {"format": "text"}}, "DIND_LOG_FORMAT", "text"),
        ({"logging": {"level": "debug"}}, "DIND_LOG_LEVEL", "debug"),
        ({"registry": {"mirrors": ["https://m"]}}, "DIND_DEFAULT_REGISTRY_MIRRORS", '["https://m"]'),
        (
            {"proxy": {"httpProxy": "http://p:3128", "noProxy": [".example.com"]}},
            "DIND_DEFAULT_PROXY",
            '{"httpProxy":"http://p:3128","noProxy":[".example.com"]}',
        ),
        ({"hostPath": {"allowedPrefixes": ["/srv/a", "/b"]}}, "DIND_HOST_PATH_PREFIXES", '["/srv/a","/b"]'),
        ({"allowedServiceAccounts": ["a", "ci-*"]}, "DIND_ALLOWED_SERVICE_ACCOUNTS", '["a","ci-*"]'),
        ({"clusterCIDRs": ["10.96.0.0/12", "fd00::/48"]}, "DIND_CLUSTER_CIDRS", '["10.96.0.0/12","fd00::/48"]'),
        ({"metadataAddresses": ["169.254.170.2/32"]}, "DIND_METADATA_ADDRESSES", '["169.254.170.2/32"]'),
        ({"defaultReserveMemory": "1.5Gi"}, "DIND_DEFAULT_RESERVE_MEMORY", "1.5Gi"),
        ({"userNamespaces": {"runtimeClass": {"name": "nested"}}}, "DIND_DEFAULT_RUNTIME_CLASS", "nested"),
        ({"subdomain": "daemons"}, "DIND_SUBDOMAIN", "daemons"),
        ({"image": {"nodeTool": {"pullPolicy": "Always"}}}, "DIND_NODE_TOOL_PULL_POLICY", "Always"),
        ({"image": {"tag": "dev"}}, "DIND_DAEMON_IMAGE", "registry.test/dind/daemon:dev"),
        ({"image": {"daemon": {"tag": "2"}, "tag": "1"}}, "DIND_DAEMON_IMAGE", "registry.test/dind/daemon:2"),
        ({"image": {"registry": "registry.test:5000/"}}, "DIND_DAEMON_IMAGE", "registry.test:5000/daemon:0.1.0"),
        (
            {"image": {"nodeTool": {"digest": DIGEST, "tag": "not-used"}}},
            "DIND_NODE_TOOL_IMAGE",
            f"registry.test/dind/node-tool@{DIGEST}",
        ),
        (
            {"image": {"daemon": {"registry": "mirror.test", "repository": "library/docker", "tag": "28-dind"}}},
            "DIND_DAEMON_IMAGE",
            "mirror.test/library/docker:28-dind",
        ),
    ],
)
def test_a_value_becomes_a_setting(helm: Helm, values: dict[str, Any], name: str, expected: str) -> None:
    assert settings(helm.template(values))[name] == expected


def test_more_variables_come_after_the_charts_own(helm: Helm, defaults: Manifests) -> None:
    more = [{"name": "HTTPS_PROXY", "value": "http://p:3128"}, {"name": "DIND_MINUTE_SECONDS", "value": "3"}]
    assert container(helm.template({"extraEnv": more}))["env"] == container(defaults)["env"] + more


def test_a_variable_that_the_chart_may_set_is_refused_whether_or_not_it_does(helm: Helm) -> None:
    own = settings(helm.template(OPTIONAL))
    for name in own:
        done = helm.try_template(merged(REQUIRED, {"extraEnv": [{"name": name, "value": "x"}]}))
        assert done.returncode, f"{name} is taken twice"
        assert f"extraEnv must not contain {name}: the chart sets" in done.stderr


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"name": "A"}, "value"),
        ({"value": "1"}, "name"),
        ({"name": "A", "value": 1}, "got number, want string"),
        ({"name": "A-B", "value": "1"}, "does not match pattern"),
        ({"name": "A", "value": "1", "valueFrom": {}}, "'valueFrom' not allowed"),
    ],
)
def test_more_variables_are_names_and_texts(helm: Helm, entry: dict[str, Any], what: str) -> None:
    done = helm.try_template(merged(REQUIRED, {"extraEnv": [entry]}))
    assert done.returncode
    assert "/extraEnv/0" in done.stderr
    assert what in done.stderr


def test_the_operators_image_and_pull_secrets(helm: Helm) -> None:
    values = {
        "image": {"operator": {"digest": DIGEST, "pullPolicy": "Always"}},
        "imagePullSecrets": [{"name": "login"}],
    }
    manifests = helm.template(values)
    for spec in (pod(manifests), manifests.one("Pod")["spec"]):
        assert spec["imagePullSecrets"] == [{"name": "login"}]
        assert spec["containers"][0]["image"] == f"registry.test/dind/operator@{DIGEST}"
        assert spec["containers"][0]["imagePullPolicy"] == "Always"


def test_without_a_registry_the_message_says_where_images_come_from(helm: Helm) -> None:
    done = helm.try_template({})
    assert done.returncode
    for part in (
        "image.registry is empty",
        "does not publish images",
        "docker build --target",
        "--set image.registry=",
    ):
        assert part in done.stderr


def test_every_image_may_have_a_registry_of_its_own(helm: Helm) -> None:
    own = {name: {"registry": "mirror.test"} for name in ("operator", "nodeTool", "daemon")}
    done = helm.try_template({"image": own})
    assert done.returncode == 0, done.stderr
    assert "mirror.test/operator:0.1.0" in done.stdout
    own.pop("daemon")
    assert "image.registry is empty" in helm.try_template({"image": own}).stderr


def test_one_replica_is_replaced_before_the_next_starts(helm: Helm, defaults: Manifests) -> None:
    assert defaults.one("Deployment")["spec"]["replicas"] == 1
    assert defaults.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    # Not left to the API server's defaults: Helm 4 could not take them away again on the way back to one replica.
    rolling = helm.template({"replicas": 2}).one("Deployment")["spec"]["strategy"]
    assert rolling == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}


def test_two_replicas_without_leader_election_are_refused(helm: Helm) -> None:
    values = merged(REQUIRED, {"replicas": 2, "leaderElection": {"enabled": False}})
    done = helm.try_template(values)
    assert done.returncode
    assert "replicas is 2 but leaderElection.enabled is false" in done.stderr
    assert helm.try_template(merged(values, {"leaderElection": {"enabled": True}})).returncode == 0


def test_an_unnamed_foreign_account_is_refused(helm: Helm) -> None:
    done = helm.try_template(merged(REQUIRED, {"serviceAccount": {"create": False}}))
    assert done.returncode
    assert "serviceAccount.name is empty and serviceAccount.create is false" in done.stderr


def test_scheduling_values_reach_the_pod_as_they_are(helm: Helm) -> None:
    values: dict[str, Any] = {
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [{"maxSkew": 1}],
    }
    spec = pod(helm.template(values))
    assert {name: spec[name] for name in values} == values

"""The pod's other shape: the daemon as a sidecar, the workloads with nothing that ordinary containers do not have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model, node_config

from dind_operator.api.conditions import Reason
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.workloads.pod import secret_names
from dind_operator.pod.errors import UnbuildableError

WORK: dict[str, Any] = {"name": "work", "image": "ci:1"}
EVERYTHING: dict[str, Any] = {
    "name": "all",
    "image": "ci:2",
    "imagePullPolicy": "Always",
    "command": ["sh", "-c"],
    "args": ["echo $(TOKEN) $$"],
    "workingDir": "/workspace/app",
    "env": [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}},
        {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "ci", "key": "mode"}}},
        {"name": "EMPTY", "value": ""},
    ],
    "envFrom": [{"secretRef": {"name": "more"}}, {"configMapRef": {"name": "ci"}}],
    "resources": {"limits": {"memory": "1Gi", "cpu": "2"}, "requests": {"cpu": "100m"}},
    "volumeMounts": [{"name": "source", "mountPath": "/source", "readOnly": True}],
    "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
}
VOLUMES: list[dict[str, Any]] = [
    {"name": "source", "configMap": {"name": "ci", "defaultMode": 493}},
    {"name": "keys", "secret": {"secretName": "keys"}},
    {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
]


def built(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = daemon_pod(
        model({"workloads": {"containers": list(containers or [WORK]), **more}}), SETTINGS
    )["spec"]
    return spec


def alone() -> dict[str, Any]:
    spec: dict[str, Any] = daemon_pod(model(), SETTINGS)["spec"]
    return spec


def test_the_daemon_is_a_sidecar_and_otherwise_what_it_is_alone() -> None:
    pod, other = built(), alone()
    first, daemon = pod["initContainers"]
    assert first == other["initContainers"][0]
    assert daemon.pop("restartPolicy") == "Always"
    (same,) = other["containers"]
    assert daemon["startupProbe"], "nothing would hold the workloads back until the daemon answers"
    for key in same.keys() - {"env", "volumeMounts"}:
        assert daemon[key] == same[key], key
    assert daemon["volumeMounts"] == [*same["volumeMounts"], {"name": "dind-workspace", "mountPath": "/workspace"}]
    others = ("DIND_INTENT_HASH", "DIND_BUILD_HASH", "DIND_NODE_CONFIG")
    assert [item for item in daemon["env"] if item["name"] not in others] == [
        item for item in same["env"] if item["name"] not in others
    ]
    told, told_alone = node_config(daemon), node_config(same)
    assert told["daemonConfig"].pop("group") == "2375"
    assert told == told_alone
    assert [item["name"] for item in pod["containers"]] == ["work"]


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
def test_the_pods_restart_policy_is_the_workloads(policy: str) -> None:
    assert built(restartPolicy=policy)["restartPolicy"] == policy
    assert (built()["restartPolicy"], alone()["restartPolicy"]) == ("Never", "Always")


def test_a_workload_has_the_socket_the_workspace_and_no_more_than_it_asked_for() -> None:
    (work,) = built()["containers"]
    assert work == {
        "name": "work",
        "image": "ci:1",
        "env": [{"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}],
        "volumeMounts": [
            {"name": "dind-socket", "mountPath": "/run/dind"},
            {"name": "dind-workspace", "mountPath": "/workspace"},
        ],
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def test_what_it_asks_for_it_gets_in_the_same_words() -> None:
    pod = built(EVERYTHING, volumes=VOLUMES, workspace={"sizeLimit": "5Gi"})
    (container,) = pod["containers"]
    for key in EVERYTHING.keys() - {"env", "volumeMounts", "securityContext"}:
        assert container[key] == EVERYTHING[key], key
    assert container["env"][1:] == EVERYTHING["env"]
    assert container["volumeMounts"][2:] == EVERYTHING["volumeMounts"]
    assert EVERYTHING["securityContext"].items() <= container["securityContext"].items()
    assert pod["volumes"][-3:] == VOLUMES
    assert {"name": "dind-workspace", "emptyDir": {"sizeLimit": "5Gi"}} in pod["volumes"]


@pytest.mark.parametrize("mode", ["Privileged", "Capabilities", "UserNamespace"])
def test_no_mode_gives_a_workload_privileges_a_token_or_the_node(mode: str) -> None:
    fields = {"security": {"mode": mode}, "workloads": {"containers": [WORK], "dockerCli": True}}
    pod = daemon_pod(model(fields), SETTINGS)
    text = json.dumps(pod["spec"]["containers"])
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod["spec"]
    for word in (
        "capabilities",
        "hostPath",
        "procMount",
        "Unconfined",
        '"privileged": true',
        "docker-data",
        "dind-endpoint",
    ):
        assert word not in text, word
    # The daemon has them: the looks would find something.
    assert any(word in json.dumps(pod["spec"]["initContainers"][1]) for word in ('"privileged": true', "capabilities"))
    assert all("hostPath" not in volume for volume in pod["spec"]["volumes"])
    assert not any("work" in key for key in pod["metadata"]["annotations"])


def test_the_cli_is_asked_of_the_daemons_wrapper_and_mounted_read_only() -> None:
    pod = built(dockerCli=True)
    daemon = pod["initContainers"][1]
    assert node_config(daemon)["cliDirectory"] == "/run/dind-cli"
    assert "cliDirectory" not in node_config(pod["initContainers"][0])
    assert {"name": "dind-cli", "mountPath": "/run/dind-cli"} in daemon["volumeMounts"]
    mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "dind-cli"]
    assert {mount["mountPath"] for mount in mounts} == {
        *("/run/dind-cli", "/usr/local/bin/docker", "/usr/local/libexec/docker/cli-plugins")
    }
    assert all(mount["readOnly"] for mount in mounts)
    assert "dind-cli" not in json.dumps(built())


def test_the_grace_period_has_room_for_both() -> None:
    both = built(terminationGracePeriodSeconds=100)
    assert both["terminationGracePeriodSeconds"] == alone()["terminationGracePeriodSeconds"] + 100


def test_the_secrets_are_those_of_volumes_and_variables() -> None:
    spec = model({"workloads": {"containers": [EVERYTHING, WORK], "volumes": VOLUMES}}).spec
    assert spec.workloads is not None
    assert secret_names(spec.workloads) == ["keys", "login", "more"]


@pytest.mark.parametrize("suffix", ["ca", "server"])
@pytest.mark.parametrize(
    ("container", "volumes"),
    [
        ({}, lambda name: [{"name": "stolen", "secret": {"secretName": name}}]),
        ({"envFrom": lambda name: [{"secretRef": {"name": name}}]}, None),
        ({"env": lambda name: [{"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "ca.key"}}}]}, None),
    ],
    ids=["volume", "envFrom", "env"],
)
def test_the_environments_own_keys_are_for_no_workload(suffix: str, container: dict[str, Any], volumes: Any) -> None:
    def ask(name: str) -> dict[str, Any]:
        asked = {**WORK, **{key: make(name) for key, make in container.items()}}
        return built(asked, **({"volumes": volumes(name)} if volumes else {}))

    assert ask("builder-client")["containers"]
    with pytest.raises(UnbuildableError) as refusal:
        ask(f"builder-{suffix}")
    assert refusal.value.reason is Reason.INVALID_SPEC
    assert f"the Secret builder-{suffix}, which is reserved for the operator" in refusal.value.message


def test_the_socket_has_a_group_that_every_container_has() -> None:
    pod = built()
    assert pod["securityContext"] == {"supplementalGroups": [2375]}
    assert node_config(pod["initContainers"][1])["daemonConfig"]["group"] == "2375"
    assert "securityContext" not in alone()
    assert "group" not in node_config(alone()["containers"][0])["daemonConfig"]


@pytest.mark.parametrize(
    "daemon", [{"config": {"group": "docker"}}, {"args": ["--group=docker"]}, {"args": ["-DGdocker"]}]
)
def test_a_group_of_the_users_is_theirs(daemon: dict[str, Any]) -> None:
    fields = {"workloads": {"containers": [{"name": "work", "image": "busybox"}]}, "daemon": daemon}
    pod = daemon_pod(model(fields), SETTINGS)["spec"]
    assert "securityContext" not in pod
    given = node_config(pod["initContainers"][1])["daemonConfig"].get("group")
    assert given == daemon.get("config", {}).get("group")

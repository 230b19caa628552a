"""The pod's shape: what the node is asked for, field by field."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import SETTINGS, UID, model, node_config, spec

from dind_operator.api.environment import InvalidEnvironment
from dind_operator.api.spec import AppArmorType
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.security import apparmor
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.variables import BUILD_VARIABLE, CREDENTIALS_VARIABLE, INTENT_VARIABLE


def built(fields: dict[str, Any] | None = None, settings: BuildSettings = SETTINGS) -> dict[str, Any]:
    return daemon_pod(model(fields), settings)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container.get("env", [])}


def expanded(text: str, environment: dict[str, str]) -> str:
    """As the kubelet expands `$(NAME)` (k8s.io/kubernetes third_party/forked/golang/expansion)."""
    out, i = "", 0
    while i < len(text):
        if text[i] == "$" and i + 1 < len(text):
            if text[i + 1] == "$":
                out, i = out + "$", i + 2
                continue
            if text[i + 1] == "(" and ")" in text[i:]:
                end = text.index(")", i)
                name = text[i + 2 : end]
                out, i = out + environment.get(name, f"$({name})"), end + 1
                continue
        out, i = out + text[i], i + 1
    return out


def test_an_empty_spec_makes_a_whole_pod() -> None:
    pod = built()
    assert [item["name"] for item in containers(pod)] == ["mount-cgroups", "daemon"]
    assert pod["spec"]["volumes"] == [
        {"name": "dind-tool", "emptyDir": {"sizeLimit": "16Mi"}},
        {"name": "dind-socket", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "docker-data", "emptyDir": {}},
        {
            "name": "dind-endpoint",
            "secret": {
                "secretName": "builder-server",
                "defaultMode": 0o400,
                "items": [{"key": name, "path": name} for name in ("ca.pem", "cert.pem", "key.pem")],
            },
        },
    ]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("builder", "dind")
    assert pod["spec"]["restartPolicy"] == "Always"
    assert pod["spec"]["containers"][0]["command"] == ["/dind/entrypoint"]
    assert "args" not in pod["spec"]["containers"][0]
    assert "imagePullSecrets" not in pod["spec"]


def test_the_users_labels_and_annotations_stand_beside_the_operators() -> None:
    mine = {"labels": {"team": "builds"}, "annotations": {"sidecar.istio.io/inject": "false"}}
    metadata, plain = built({"podMetadata": mine})["metadata"], built()["metadata"]
    assert metadata["labels"] == plain["labels"] | mine["labels"]
    hashed = {"dind.dev/intent-hash": metadata["annotations"]["dind.dev/intent-hash"]}
    assert metadata["annotations"] == plain["annotations"] | mine["annotations"] | hashed


def test_every_key_that_the_operator_sets_is_refused() -> None:
    metadata = built()["metadata"]
    for field in ("labels", "annotations"):
        for key in metadata[field]:
            with pytest.raises(InvalidEnvironment, match=f"podMetadata.{field} must not contain keys"):
                built({"podMetadata": {field: {key: "mine"}}})


def test_it_holds_no_token_and_is_not_moved_away() -> None:
    pod = built()
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert pod["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"


def test_the_daemon_has_its_variables_as_they_are_and_the_init_container_has_not() -> None:
    plain = built()["spec"]
    pod = built({"daemon": {"env": [{"name": "HTTPS_PROXY", "value": "http://p:3128/$(HOME)"}, {"name": "EMPTY"}]}})[
        "spec"
    ]
    daemon = variables(pod["containers"][0])
    assert (daemon["HTTPS_PROXY"], daemon["EMPTY"]) == ("http://p:3128/$$(HOME)", "")
    assert "HTTPS_PROXY" not in variables(pod["initContainers"][0])
    assert variables(plain["containers"][0]).keys() == daemon.keys() - {"HTTPS_PROXY", "EMPTY"}


def test_it_is_owned_by_the_environment_and_found_by_its_labels() -> None:
    metadata = built()["metadata"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "dind.dev/v1alpha1",
            "kind": "DindEnvironment",
            "name": "builder",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert (metadata["name"], metadata["namespace"]) == ("builder", "team-a")
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "dind",
        "app.kubernetes.io/managed-by": "dind-operator",
        "app.kubernetes.io/instance": "builder",
        "dind.dev/environment": "builder",
    }


def test_the_check_runs_with_exactly_the_daemons_privileges_and_resources() -> None:
    fields = {"daemon": {"resources": {"limits": {"memory": "2Gi", "cpu": "2"}, "requests": {"memory": "1Gi"}}}}
    init, daemon = containers(built(fields))
    for key in ("securityContext", "resources", "terminationMessagePolicy"):
        assert init[key] == daemon[key]
    assert daemon["securityContext"]["privileged"] is True
    assert daemon["resources"] == {"limits": {"memory": "2Gi", "cpu": "2"}, "requests": {"memory": "1Gi"}}


def test_the_images_user_does_not_decide_whether_dockerd_may_work() -> None:
    context = built()["spec"]["containers"][0]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["runAsNonRoot"]) == (0, 0, False)


@pytest.mark.parametrize("kind", list(AppArmorType))
def test_apparmor_stands_in_the_field_and_the_annotation_of_both_containers(kind: AppArmorType) -> None:
    profile = {"type": kind.value} | ({"localhostProfile": "dind"} if kind is AppArmorType.LOCALHOST else {})
    pod = built({"security": {"appArmorProfile": profile}})
    wanted = spec({"security": {"appArmorProfile": profile}}).security.app_armor_profile
    for container in containers(pod):
        assert container["securityContext"]["appArmorProfile"] == profile
    expected = apparmor.annotations(wanted, ["mount-cgroups", "daemon"])
    found = {k: v for k, v in pod["metadata"]["annotations"].items() if k.startswith("container.apparmor")}
    assert found == expected


def test_the_tool_is_writable_for_the_check_and_only_readable_for_the_daemon() -> None:
    init, daemon = containers(built())
    mounts = [{item["name"]: item for item in container["volumeMounts"]} for container in (init, daemon)]
    assert "readOnly" not in mounts[0]["dind-tool"]
    assert mounts[1]["dind-tool"]["readOnly"] is True
    assert mounts[0]["docker-data"] == mounts[1]["docker-data"]
    assert "dind-socket" not in mounts[0]
    assert mounts[1]["dind-socket"]["mountPath"] == "/run/dind"


def test_the_daemon_alone_sees_the_servers_secret_and_nobody_another() -> None:
    init, daemon = containers(built())
    assert "dind-endpoint" not in {item["name"] for item in init["volumeMounts"]}
    assert [item for item in daemon["volumeMounts"] if item["name"] == "dind-endpoint"] == [
        {"name": "dind-endpoint", "mountPath": "/run/dind-endpoint", "readOnly": True}
    ]
    secrets = [volume["secret"]["secretName"] for volume in built()["spec"]["volumes"] if "secret" in volume]
    assert secrets == ["builder-server"], "the authority's key is mounted nowhere"
    off = built({"endpoint": {"enabled": False}})
    assert "dind-endpoint" not in json.dumps(off)


def test_which_certificate_it_was_made_for_is_no_change_of_spec_or_operator() -> None:
    told = [
        daemon_pod(model(), SETTINGS, text)["spec"]["containers"][0] for text in ("a/b/2026-01-01T00:00:00Z", "c/d/e")
    ]
    assert [variables(container)[CREDENTIALS_VARIABLE] for container in told] == ["a/b/2026-01-01T00:00:00Z", "c/d/e"]
    for name in (INTENT_VARIABLE, BUILD_VARIABLE):
        assert len({variables(container)[name] for container in told}) == 1
    assert CREDENTIALS_VARIABLE not in variables(built()["spec"]["containers"][0])


def test_no_mount_is_propagated_out_of_the_pod() -> None:
    assert all("mountPropagation" not in mount for item in containers(built()) for mount in item["volumeMounts"])


def test_the_users_image_and_pull_settings_are_the_daemons_only() -> None:
    fields = {
        "daemon": {"image": "docker:28-dind", "imagePullPolicy": "Always", "imagePullSecrets": [{"name": "login"}]}
    }
    pod = built(fields)
    init, daemon = containers(pod)
    assert (daemon["image"], daemon["imagePullPolicy"]) == ("docker:28-dind", "Always")
    assert (init["image"], init["imagePullPolicy"]) == (SETTINGS.node_tool_image, "IfNotPresent")
    assert pod["spec"]["imagePullSecrets"] == [{"name": "login"}]


def test_scheduling_is_handed_on_as_written() -> None:
    scheduling = {
        "nodeSelector": {"pool": "builders"},
        "tolerations": [{"key": "builders", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "builds",
        "schedulerName": "other",
    }
    pod = built({"scheduling": scheduling})
    assert {key: pod["spec"][key] for key in scheduling} == scheduling


def test_storage_in_memory_is_bounded_and_held_back() -> None:
    fields = {
        "daemon": {"resources": {"limits": {"memory": "8Gi"}}, "reserve": {"memory": "512Mi"}},
        "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}},
    }
    pod = built(fields)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["docker-data"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "4Gi"}
    for container in containers(pod):
        assert node_config(container)["reserveBytes"] == (4096 + 512) * 2**20


def test_a_limit_that_a_limitrange_sets_finds_the_reserve_there() -> None:
    assert all(node_config(container)["reserveBytes"] == 256 * 2**20 for container in containers(built()))


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_no_text_of_the_user_is_substituted_by_kubernetes(text: str) -> None:
    pod = built({"daemon": {"args": [f"--label=x={text}"], "config": {"labels": [text]}}})
    daemon = pod["spec"]["containers"][0]
    environment = {"DIND_NODE_CONFIG": "WRONG", "DIND_INTENT_HASH": "WRONG", "A": "WRONG"}
    assert expanded(daemon["args"][0], environment) == f"--label=x={text}"
    config = json.loads(expanded(variables(daemon)["DIND_NODE_CONFIG"], environment))
    assert config["daemonConfig"]["labels"] == [text]


@pytest.mark.parametrize("text", ["$(DIND_NODE_CONFIG)", "a$(A)b", "$(", "$()", "$$(A)", "$$", "$$$(A)", "$A", "100$"])
def test_dollars_reach_dockerd_as_written(text: str) -> None:
    pod = built({"daemon": {"args": [f"--label={text}"]}})
    assert (
        expanded(pod["spec"]["containers"][0]["args"][0], {"A": "WRONG", "DIND_NODE_CONFIG": "WRONG"})
        == f"--label={text}"
    )


def test_the_hashes_stand_where_nobody_can_edit_them() -> None:
    pod = built()
    found = variables(pod["spec"]["containers"][0])
    assert found[INTENT_VARIABLE] == pod["metadata"]["annotations"]["dind.dev/intent-hash"]
    assert found[BUILD_VARIABLE] != found[INTENT_VARIABLE]


def test_another_operator_is_seen_in_the_build_hash() -> None:
    newer = BuildSettings(daemon_image="d:2", node_tool_image=SETTINGS.node_tool_image)
    one, other = (variables(built({}, settings)["spec"]["containers"][0]) for settings in (SETTINGS, newer))
    assert one[BUILD_VARIABLE] != other[BUILD_VARIABLE]
    assert one[INTENT_VARIABLE] == other[INTENT_VARIABLE]


def test_the_helper_is_told_of_a_minute_only_where_it_is_no_real_one() -> None:
    """So an installation that says nothing of it has the pods that it had, with their hashes."""
    real, short = (replace(SETTINGS, minute_seconds=seconds) for seconds in (60, 3))
    assert built({}, real) == built()
    assert "DIND_MINUTE_SECONDS" not in json.dumps(built({}, real))
    changed = built({}, short)
    assert variables(changed["spec"]["containers"][0])["DIND_MINUTE_SECONDS"] == "3"
    assert "DIND_MINUTE_SECONDS" not in variables(changed["spec"]["initContainers"][0])
    assert changed["metadata"] == built()["metadata"], "it is no change of the user's intent"


def test_the_same_input_gives_the_same_pod() -> None:
    fields = {"daemon": {"config": {"mtu": 1400}, "args": ["--debug"]}}
    assert built(fields) == built(fields)

"""What each security mode asks of the node, and that the first one asks for what it always did."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model, node_config

from dind_operator.api.conditions import Reason
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.security.pod import CAPABILITIES
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError

ROOT = {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False, "appArmorProfile": {"type": "Unconfined"}}
WITHOUT_PRIVILEGE = {
    "privileged": False,
    "allowPrivilegeEscalation": True,
    "capabilities": {"add": ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]},
    "seccompProfile": {"type": "Unconfined"},
}
CONTEXTS: dict[str, dict[str, Any]] = {
    "Privileged": {"privileged": True, **ROOT},
    "Capabilities": {**WITHOUT_PRIVILEGE, **ROOT},
    "UserNamespace": {**WITHOUT_PRIVILEGE, "procMount": "Unmasked", **ROOT},
}


def built(mode: str, settings: BuildSettings = SETTINGS, **security: Any) -> dict[str, Any]:
    pod: dict[str, Any] = daemon_pod(model({"security": {"mode": mode, **security}}), settings)["spec"]
    return pod


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["initContainers"], *pod["containers"]]


@pytest.mark.parametrize("mode", CONTEXTS)
def test_both_containers_have_the_modes_privileges(mode: str) -> None:
    for container in containers(built(mode)):
        assert container["securityContext"] == CONTEXTS[mode]


@pytest.mark.parametrize("mode", CONTEXTS)
def test_dind_node_is_told_the_mode_and_nothing_for_the_first(mode: str) -> None:
    for container in containers(built(mode)):
        assert node_config(container).get("securityMode") == (None if mode == "Privileged" else mode)


def test_an_environment_without_a_mode_has_none_of_the_new_fields() -> None:
    pod = daemon_pod(model({}), SETTINGS)["spec"]
    assert {"hostUsers", "runtimeClassName"} & pod.keys() == set()
    assert pod == {**built("Privileged"), "containers": pod["containers"]}


def test_a_service_account_that_the_installation_allows_is_the_pods_and_brings_no_token() -> None:
    allowing = replace(SETTINGS, allowed_service_accounts=("pusher", "ci-*"))
    for name in ("pusher", "ci-a"):
        pod = built("Privileged", allowing, serviceAccountName=name)
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (name, False)
    assert "serviceAccountName" not in built("Privileged", serviceAccountName="default")
    for name in ("pusher-2", "ci"):
        with pytest.raises(
            UnbuildableError, match=f"serviceAccountName {name} is not allowed: .* only pusher, ci-"
        ) as told:
            built("Privileged", allowing, serviceAccountName=name)
        assert told.value.reason is Reason.SERVICE_ACCOUNT_NOT_ALLOWED
    with pytest.raises(UnbuildableError, match=r"no service account other than default\. Ask an administrator"):
        built("Privileged", serviceAccountName="pusher")


def test_sysctls_are_the_pods() -> None:
    given = [{"name": "net.a", "value": "1 2"}, {"name": "kernel.sem", "value": "$(A)"}]
    assert built("Privileged", sysctls=given)["securityContext"] == {"sysctls": given}
    assert "securityContext" not in built("Privileged", sysctls=[])


def test_a_user_namespace_comes_with_the_installations_runtime_class() -> None:
    pod = built("UserNamespace")
    assert (pod["hostUsers"], pod["runtimeClassName"]) == (False, "dind")
    other = BuildSettings(daemon_image="d", node_tool_image="t", default_runtime_class="nested")
    assert built("UserNamespace", other)["runtimeClassName"] == "nested"


@pytest.mark.parametrize("mode", CONTEXTS)
def test_the_runtime_class_that_is_named_wins_in_every_mode(mode: str) -> None:
    assert built(mode, runtimeClassName="own")["runtimeClassName"] == "own"


def test_capabilities_keep_the_hosts_users_and_the_clusters_runtime() -> None:
    assert {"hostUsers", "runtimeClassName"} & built("Capabilities").keys() == set()


@pytest.mark.parametrize("mode", CONTEXTS)
def test_the_apparmor_profile_is_the_users_in_every_mode(mode: str) -> None:
    profile = {"type": "Localhost", "localhostProfile": "dind"}
    for container in containers(built(mode, appArmorProfile=profile)):
        assert container["securityContext"]["appArmorProfile"] == profile


def test_capabilities_are_three_and_no_more() -> None:
    assert CAPABILITIES == ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]

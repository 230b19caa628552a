"""The docker volume in the pod: one source for each kind, the same mount in both containers."""

from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model, node_config, spec

from dind_operator.api.conditions import Reason
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.storage import pod as storage
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.memory import plan_memory

ALLOWING = BuildSettings(daemon_image="d", node_tool_image="n", host_path_prefixes=("/srv/dind", "/mnt/fast"))
HOST_PATH = {"storage": {"hostPath": {"path": "/mnt/fast/a"}}}
CLAIM = {
    "storage": {
        "ephemeral": {
            "volumeClaimTemplate": {
                "metadata": {"labels": {"team": "a"}},
                "spec": {"resources": {"requests": {"storage": "20Gi"}}, "storageClassName": "fast"},
            }
        }
    }
}


def volume_of(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> dict[str, Any]:
    pod = daemon_pod(model(fields), settings)
    (volume,) = [item for item in pod["spec"]["volumes"] if item["name"] == "docker-data"]
    return {key: value for key, value in volume.items() if key != "name"}


def containers(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> tuple[dict[str, Any], dict[str, Any]]:
    made = daemon_pod(model(fields), settings)["spec"]
    return made["initContainers"][0], made["containers"][0]


def mounts(container: dict[str, Any]) -> list[dict[str, Any]]:
    return [mount for mount in container["volumeMounts"] if mount["name"] == "docker-data"]


@pytest.mark.parametrize("fields", [{}, {"storage": {"emptyDir": {}}}, {"storage": {"emptyDir": {"medium": ""}}}])
def test_nothing_said_is_an_empty_dir_on_disk(fields: dict[str, Any]) -> None:
    assert volume_of(fields) == {"emptyDir": {}}
    for container in containers(fields):
        assert mounts(container) == [{"name": "docker-data", "mountPath": "/var/lib/docker"}]
        assert "storage" not in node_config(container)


def test_a_claim_is_made_with_the_pod_from_the_template() -> None:
    assert volume_of(CLAIM) == {
        "ephemeral": {
            "volumeClaimTemplate": {
                "metadata": {"labels": {"team": "a"}},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "20Gi"}},
                    "storageClassName": "fast",
                },
            }
        }
    }


def test_a_folder_of_the_node_is_mounted_below_its_prefix_so_that_no_link_leads_out() -> None:
    assert volume_of(HOST_PATH, ALLOWING) == {"hostPath": {"path": "/mnt/fast", "type": "DirectoryOrCreate"}}
    init, daemon = containers(HOST_PATH, ALLOWING)
    own = {"name": "docker-data", "mountPath": "/var/lib/docker", "subPath": "a"}
    assert mounts(daemon) == [own]
    assert mounts(init) == [own, {"name": "docker-data", "mountPath": storage.PREFIX_MOUNT, "readOnly": True}]
    for container in (init, daemon):
        assert node_config(container)["storage"] == {
            "hostDirectory": "a",
            "owner": "team-a/builder 11111111-0000-4000-8000-000000000001",
        }


@pytest.mark.parametrize(
    ("prefixes", "path", "said"),
    [
        (
            (),
            "/srv/dind/a",
            "this installation does not allow directories of nodes. Ask an administrator to add a prefix",
        ),
        (("/srv/dind",), "/srv/other/a", "directly below /srv/dind"),
        (("/srv/dind",), "/srv/dind", "directly below /srv/dind"),
        (("/srv/dind",), "/srv/dind/a/b", "directly below /srv/dind"),
        (("/srv/dind",), "/srv/dind-other/a", "directly below /srv/dind"),
    ],
)
def test_a_folder_that_the_installation_does_not_allow_makes_no_pod(
    prefixes: tuple[str, ...], path: str, said: str
) -> None:
    fields = {"storage": {"hostPath": {"path": path}}}
    with pytest.raises(UnbuildableError) as refused:
        daemon_pod(model(fields), BuildSettings("d", "n", host_path_prefixes=prefixes))
    assert refused.value.reason is Reason.HOST_PATH_NOT_ALLOWED
    assert f"spec.storage.hostPath.path {path} is not allowed" in refused.value.message
    assert said in refused.value.message
    # Where it is allowed the same pod is made.
    allowed = BuildSettings("d", "n", host_path_prefixes=(path.rpartition("/")[0],))
    assert volume_of(fields, allowed)["hostPath"]["path"] == path.rpartition("/")[0]


@pytest.mark.parametrize("fields", [CLAIM, HOST_PATH, {"storage": {"emptyDir": {"sizeLimit": "10Gi"}}}])
def test_only_a_volume_in_memory_is_held_back_from_nested_containers(fields: dict[str, Any]) -> None:
    limited = {**fields, "daemon": {"resources": {"limits": {"memory": "1Gi"}}}}
    assert plan_memory(spec(limited), ALLOWING).held_back == 256 * 2**20
    memory = {**limited, "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "300Mi"}}}
    assert plan_memory(spec(memory), ALLOWING).held_back == 556 * 2**20


@pytest.mark.parametrize(
    ("daemon", "driver"),
    [
        ({}, None),
        ({"config": {"storage-driver": "vfs"}}, "vfs"),
        ({"args": ["--storage-driver=btrfs"]}, "btrfs"),
        ({"args": ["-storage-driver", "zfs"]}, "zfs"),
        ({"args": ["-svfs"]}, "vfs"),
        ({"args": ["-s=vfs"]}, "vfs"),
        ({"args": ["-Ds", "vfs"]}, "vfs"),
        ({"args": ["--storage-driver=overlay2", "-svfs"]}, "vfs"),
        ({"args": ["--storage-opt=size=1G"]}, None),
        ({"config": {"storage-driver": ""}}, None),
        ({"config": {"storage-driver": 5}}, None),
        ({"config": {"storage-driver": "$(HOME)"}}, "$(HOME)"),
    ],
)
def test_the_scripts_are_told_of_the_driver_that_the_user_chose(daemon: dict[str, Any], driver: str | None) -> None:
    assert storage.chosen_driver(spec({"daemon": daemon})) == driver
    for container in containers({"daemon": daemon}):
        assert node_config(container).get("storage", {}).get("driver") == driver

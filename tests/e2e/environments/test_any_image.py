"""Any image that has dockerd, and volumes that cannot carry an overlay."""

from __future__ import annotations

import json

import pytest
from tests.cluster import images, store
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments import busybox_daemon
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import Cluster, Object
from tests.node_view import NodeView

from dind_operator.pod.node_config import CONFIG_VARIABLE


@pytest.fixture(scope="module")
def alpine_like(bench: Environment) -> str:
    """An image with dockerd whose every other program is busybox, on the node."""
    archive = busybox_daemon.build(bench)
    store.import_images(Instance.from_environment(), [store.Image(busybox_daemon.NAME, archive)])
    return busybox_daemon.NAME


def test_any_image_that_has_dockerd(alpine_like: str, environments: Environments, node: NodeView) -> None:
    """As the stock image on Alpine: busybox sh, busybox mount, and none of our files."""
    spec = {
        "daemon": {
            "image": alpine_like,
            "imagePullPolicy": "Never",
            "resources": {"limits": {"memory": "768Mi"}},
            "reserve": {"memory": "384Mi"},
        }
    }
    environment = environments("any-image").apply(spec).ready()
    assert environment.attempt("bash", "-c", "true").returncode != 0
    assert environment.run("readlink", "/bin/sh") == "busybox"
    assert environment.attempt("ls", "/usr/local/lib/dind").returncode != 0
    load_images(environment)
    assert environment.docker("run", "--rm", BUSYBOX_IMAGE, "echo", "inside") == "inside"
    server = ["sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /"]
    environment.docker("run", "--detach", "--publish=8080:80", BUSYBOX_IMAGE, *server)
    eventually(lambda: node.fetch(environment, 8080).strip() == "served", "the published port", 30, environment.story)
    hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=600M", "count=1"]
    before = environment.daemon_process()
    assert environment.attempt("docker", "run", "--rm", BUSYBOX_IMAGE, *hog).returncode == 137
    assert environment.daemon_process() == before


def preflight_pod(namespace: str, name: str, *, volume: bool, driver: str = "") -> Object:
    """mount-cgroups alone. Without a volume /var/lib/docker is on the container's own, union, file system."""
    mounts = [{"name": "tool", "mountPath": "/dind"}]
    volumes: list[Object] = [{"name": "tool", "emptyDir": {}}]
    # Below it, so that there is such a directory in the container.
    mounts.append({"name": "data", "mountPath": "/var/lib/docker" if volume else "/var/lib/docker/below"})
    volumes.append({"name": "data", "emptyDir": {}})
    container = {
        "name": "mount-cgroups",
        "image": images.image_name("node-tool"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["cgroups-mount", "preflight", "--install", "/dind"],
        "env": [{"name": CONFIG_VARIABLE, "value": json.dumps({"storage": {"driver": driver}})}],
        "securityContext": {"privileged": True},
        "volumeMounts": mounts,
    }
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def preflight_report(kube: Cluster, pod: Object) -> Object:
    """What mount-cgroups said at its end."""

    def ended(found: Object | None) -> bool:
        return (found or {}).get("status", {}).get("phase") in ("Succeeded", "Failed")

    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    kube.apply(pod)
    try:
        found = kube.wait_for("pod", name, namespace, ended, what="ended") or {}
        report: Object = json.loads(found["status"]["containerStatuses"][0]["state"]["terminated"]["message"])
        return report
    finally:
        kube.start_deleting("pod", name, namespace)


def test_a_docker_folder_on_a_union_file_system_is_never_used_in_silence(kube: Cluster, namespace: str) -> None:
    """dockerd would fall back to copying whole layers, which is slow and huge; nobody would know why."""
    replaced = preflight_report(kube, preflight_pod(namespace, "preflight-union", volume=False))
    assert replaced["ok"] is True
    assert replaced["storage"] == {
        "path": "/var/lib/docker",
        "filesystem": "overlay",
        "overlay": False,
        "driver": "fuse-overlayfs",
    }
    refused = preflight_report(kube, preflight_pod(namespace, "preflight-refused", volume=False, driver="overlay2"))
    assert refused["ok"] is False
    assert refused["error"]["reason"] == "StorageNotOverlayCapable"
    assert "storage.emptyDir" in refused["error"]["message"]
    # With a volume the same node is fit.
    fit = preflight_report(kube, preflight_pod(namespace, "preflight-volume", volume=True, driver="overlay2"))
    assert fit["ok"] is True
    assert fit["storage"]["overlay"] is True

"""A node that loses its power, with a daemon at work on it, and the operator, and the whole control plane."""

from __future__ import annotations

import pytest
from tests.cluster import lifecycle
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import eventually
from tests.installation import Installation
from tests.live import Object
from tests.node_view import NAME, NodeView


@pytest.mark.serial
@pytest.mark.timeout(400)
def test_a_reboot_brings_the_same_pod_back_with_its_data_and_its_containers(
    environments: Environments, node: NodeView, operator: Installation
) -> None:
    environment = environments("survivor").apply().ready()
    load_images(environment)
    environment.docker("network", "create", "inner")
    server = "echo still here >/index.html; exec httpd -f -p 80 -h /"
    options = ["--detach", "--restart=always", "--name=web", "--network=inner", "--publish=8080:80"]
    environment.docker("run", *options, BUSYBOX_IMAGE, "sh", "-c", server)
    eventually(lambda: node.fetch(environment, 8080).strip() == "still here", "the server", 30, environment.story)
    before = environment.pod() or {}

    lifecycle.reboot(Instance.from_environment())

    def back() -> Object | None:
        status = environment.daemon_status()
        return status if status.get("restartCount", 0) > 0 and status.get("ready") else None

    eventually(back, "the daemon in a new container", 180, environment.story)
    environment.ready()
    after = environment.pod() or {}
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    # mount-cgroups ran again, over the /dind of its first run.
    (first,), (second,) = (pod["status"]["initContainerStatuses"] for pod in (before, after))
    assert second["containerID"] != first["containerID"]
    assert second["state"]["terminated"]["exitCode"] == 0
    # The docker volume outlived it: image, network, container and what the container had written.
    eventually(lambda: is_back(node), "the look from the node", 60)
    eventually(lambda: node.fetch(environment, 8080).strip() == "still here", "the server", 60, environment.story)
    assert (
        environment.docker("run", "--rm", "--network=inner", BUSYBOX_IMAGE, "wget", "-qO-", "http://web/")
        == "still here"
    )
    assert "recreations" not in environment.status(), (
        "the operator made a pod where the kubelet only had to restart one"
    )
    eventually(lambda: operator.deployment()["status"].get("readyReplicas") == 1, "the operator", 60)


def is_back(node: NodeView) -> bool:
    """The pod that looks was rebooted too."""
    return node.cluster.api.execute(node.namespace, NAME, None, ["true"]).returncode == 0

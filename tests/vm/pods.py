"""Small pods on a chosen node, and what they printed."""

from __future__ import annotations

from typing import Any

from tests.cluster.components import NODE_LABEL
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.cluster.vm.guest import TAINT
from tests.kube.client import Executed
from tests.live import Cluster, Object

# A pod with an image that is there takes some ten seconds to start on an idle emulated node.
START_SECONDS = 180.0

TOLERATION = {"key": TAINT["key"], "operator": "Exists"}


def pod(
    name: str, namespace: str, node: str, script: str, *, spec: Object | None = None, security: Object | None = None
) -> Object:
    """A busybox pod on the node `host` or `vm`. `spec` adds to its spec, `security` is its container's."""
    container: dict[str, Any] = {
        "name": "c",
        "image": BUSYBOX_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "securityContext": security or {},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "nodeSelector": {NODE_LABEL: node},
            "tolerations": [TOLERATION],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            **(spec or {}),
        },
    }


def run(kubectl: Cluster, manifest: Object) -> Object:
    """Creates a pod and returns it when it runs."""
    kubectl.apply(manifest)
    where = manifest["metadata"]
    found = kubectl.wait_for("pod", where["name"], where["namespace"], is_ready, seconds=START_SECONDS, what="Ready")
    assert found is not None
    return found


def is_ready(found: Object | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def inside(kubectl: Cluster, found: Object, script: str) -> str:
    """What a script printed in a pod. Raises AssertionError with its words when it failed."""
    done = _execute(kubectl, found, script)
    assert done.returncode == 0, f"`{script}`: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def fails_inside(kubectl: Cluster, found: Object, script: str) -> str:
    """What a script that has to fail complained about."""
    done = _execute(kubectl, found, script)
    assert done.returncode, f"`{script}` succeeded: {done.stdout}"
    return done.stderr


def fetch(kubectl: Cluster, found: Object, url: str) -> str:
    """What a web server answers to a pod, or nothing while it does not."""
    # Not wget's own limit: in Debian's static busybox that ends with a segmentation fault.
    done = _execute(kubectl, found, f"timeout 5 wget -q -O - {url}")
    return done.stdout.strip() if done.returncode == 0 else ""


def _execute(kubectl: Cluster, found: Object, script: str) -> Executed:
    metadata = found["metadata"]
    return kubectl.api.execute(metadata["namespace"], metadata["name"], None, ["sh", "-c", script])


def container_id(found: Object) -> str:
    """The id of a pod's container, without the runtime's name."""
    return str(found["status"]["containerStatuses"][0]["containerID"]).partition("://")[2]

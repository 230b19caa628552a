"""A dind pod as people copy it from a blog: privileged, dockerd as it comes, and no more. What the operator is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import images
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment
from tests.live import Cluster, Object
from tests.vm import pods


def manifest(name: str, namespace: str, memory: str) -> Object:
    container = {
        "name": "daemon",
        "image": images.image_name("daemon"),
        "imagePullPolicy": "Never",
        "command": ["dockerd", "--host=unix:///var/run/docker.sock"],
        "securityContext": {"privileged": True},
        "resources": {"limits": {"memory": memory}},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/docker"}],
        "readinessProbe": {"exec": {"command": ["docker", "version"]}, "periodSeconds": 3, "timeoutSeconds": 30},
    }
    made = pods.pod(name, namespace, "vm", "")
    made["spec"] |= {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    return made


@contextmanager
def pod_by_hand(kubectl: Cluster, namespace: str, name: str, memory: str) -> Iterator[Environment]:
    """It, ready and with images, to be used as an environment is."""
    found = Environment(kubectl, namespace, name)
    pods.run(kubectl, manifest(name, namespace, memory))
    try:
        load_images(found)
        yield found
    finally:
        kubectl.delete("pod", name, namespace, seconds=300)

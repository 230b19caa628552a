"""A dind pod as people copy it from a blog: privileged, dockerd as it comes, and no more. What the operator is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster import images
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment
from tests.live import Cluster, Object
from tests.vm import pods
from tests.vm.patience import START_SECONDS


def manifest(name: str, namespace: str, memory: str) -> Object:
    container = {
        "name": "daemon",
        "image": images.image_name("daemon"),
        "imagePullPolicy": "Never",
        "command": ["dockerd", "--host=unix:///var/run/docker.sock"],
        "securityContext": {"privileged": True},
        "resources": {"limits": {"memory": memory}},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/docker"}],
        "startupProbe": {
            "exec": {"command": ["docker", "version"]},
            "periodSeconds": 3,
            "timeoutSeconds": 30,
            "failureThreshold": 100,
        },
    }
    made = pods.pod(name, namespace, "vm", "")
    made["spec"] |= {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    return made


@dataclass
class ByHand:
    """It, to be used as an environment is."""

    pod: Environment
    loaded: list[bool] = field(default_factory=list)

    def ready(self) -> Environment:
        """When it is, with images."""
        if not self.loaded:
            self.pod.wait_pod(pods.is_ready, "Ready", START_SECONDS)
            load_images(self.pod)
            self.loaded.append(True)
        return self.pod

    @classmethod
    @contextmanager
    def started(cls, kubectl: Cluster, namespace: str, name: str, memory: str) -> Iterator[ByHand]:
        kubectl.apply(manifest(name, namespace, memory))
        try:
            yield cls(Environment(kubectl, namespace, name))
        finally:
            kubectl.start_deleting("pod", name, namespace)

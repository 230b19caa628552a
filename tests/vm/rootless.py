"""A pod with a rootless dockerd, as its own documentation has it: what mode UserNamespace is compared with."""

from __future__ import annotations

from tests.cluster import docker_releases
from tests.live import Object
from tests.vm import pods

_SCRIPT = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
_RUN, _HOME = "/run/user/1000", "/home/builder"

# As little as it could be asked to do with: no more than any pod has, in a user namespace, with a whole /proc.
CONFINED: Object = {"procMount": "Unmasked", "seccompProfile": {"type": "Unconfined"}}
IN_USER_NAMESPACE: Object = {"hostUsers": False, "runtimeClassName": "dind"}
PRIVILEGED: Object = {"privileged": True}


def manifest(name: str, namespace: str, security: Object, spec: Object | None = None) -> Object:
    """User 1000 starts dockerd in a user namespace of its own, with the subordinate ids of the image. 512Mi."""
    container = {
        "name": "daemon",
        "image": docker_releases.image(docker_releases.ROOTLESS).name,
        "imagePullPolicy": "Never",
        "command": [_SCRIPT],
        "env": [
            {"name": "XDG_RUNTIME_DIR", "value": _RUN},
            {"name": "HOME", "value": _HOME},
            {"name": "DOCKER_HOST", "value": f"unix://{_RUN}/docker.sock"},
        ],
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "appArmorProfile": {"type": "Unconfined"},
            **security,
        },
        "resources": {"limits": {"memory": "512Mi"}},
        # The folder of the images must be the user's own: an emptyDir is root's, one inside it is not.
        "volumeMounts": [{"name": "data", "mountPath": f"{_HOME}/.local/share"}, {"name": "run", "mountPath": _RUN}],
    }
    made = pods.pod(name, namespace, "vm", "")
    made["spec"] |= {
        "securityContext": {"fsGroup": 1000},
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "run", "emptyDir": {}}],
        **(spec or {}),
    }
    return made

"""daemon.json: the keys of the user and the keys of the operator, which take precedence.

The operator sets no flags, because dockerd does not start if a setting is both in the file and a flag. The only flags are the
``args`` of the user.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.dockerd.flags import owned_exec_opt
from dind_operator.pod.variables import DATA_ROOT, SOCKET

CGROUP_PARENT = "/docker"
"""Parent cgroup of nested containers, below the cgroup of the pod. The entrypoint limits it to the limit minus the reserve."""
CGROUP_DRIVER = "native.cgroupdriver=cgroupfs"
"""No systemd runs in the pod."""


def daemon_config(spec: DindEnvironmentSpec, settings: Mapping[str, Any], listen: Sequence[str]) -> dict[str, Any]:
    """The complete daemon.json.

    ``settings``: the keys of the features. ``listen``: addresses in addition to the socket.

    The model rejects keys of the operator in the config of the user.
    """
    user = dict(spec.daemon.config)
    return user | {
        **settings,
        "hosts": [f"unix://{SOCKET}", *listen],
        "data-root": DATA_ROOT,
        "exec-root": "/var/run/docker",
        "pidfile": "/var/run/docker.pid",
        "cgroup-parent": CGROUP_PARENT,
        "exec-opts": _exec_opts(user.get("exec-opts")),
        "log-level": spec.daemon.log_level.value.lower(),
    }


def _exec_opts(user: object) -> list[str]:
    kept = [str(option) for option in user] if isinstance(user, list) else []
    return [option for option in kept if not owned_exec_opt(option)] + [CGROUP_DRIVER]

"""daemon.json: the keys of the user and the keys of the operator, which take precedence.

The operator sets no flags, because dockerd does not start if a setting is both in the file and a flag. The only flags are the
``args`` of the user.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.dockerd.flags import owned_exec_opt
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.variables import DATA_ROOT, SOCKET

CGROUP_PARENT = "/docker"
"""Parent cgroup of nested containers, below the cgroup of the pod. The entrypoint limits it to the limit minus the reserve."""
CGROUP_DRIVER = "native.cgroupdriver=cgroupfs"
"""No systemd runs in the pod."""
MAX_CONFIG_BYTES = 64 * 1024
"""The file is passed in one environment variable. The limit of the kernel is 128 KiB (MAX_ARG_STRLEN)."""


def daemon_config(spec: DindEnvironmentSpec, settings: Mapping[str, Any], listen: Sequence[str]) -> str:
    """The complete daemon.json, compact and with sorted keys.

    ``settings``: the keys of the features. ``listen``: addresses in addition to the socket.

    The model rejects keys of the operator in the config of the user.
    Raises UnbuildableError (InvalidDaemonConfig) if it is too large.
    """
    user = dict(spec.daemon.config)
    config: dict[str, Any] = user | {
        **settings,
        "hosts": [f"unix://{SOCKET}", *listen],
        "data-root": DATA_ROOT,
        "exec-root": "/var/run/docker",
        "pidfile": "/var/run/docker.pid",
        "cgroup-parent": CGROUP_PARENT,
        "exec-opts": _exec_opts(user.get("exec-opts")),
        "log-level": spec.daemon.log_level.value.lower(),
    }
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    if len(text.encode()) > MAX_CONFIG_BYTES:
        raise UnbuildableError(
            Reason.INVALID_DAEMON_CONFIG,
            f"The daemon.json from spec.daemon.config is {len(text.encode())} bytes. It must be at most {MAX_CONFIG_BYTES} bytes. "
            "Remove settings from spec.daemon.config.",
        )
    return text


def _exec_opts(user: object) -> list[str]:
    kept = [str(option) for option in user] if isinstance(user, list) else []
    return [option for option in kept if not owned_exec_opt(option)] + [CGROUP_DRIVER]

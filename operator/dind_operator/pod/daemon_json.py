"""daemon.json: the user's keys and, over them, the ones the operator owns.

Everything goes into the file and nothing onto the command line, because dockerd refuses to start when one setting is
given in both. The user's ``args`` are the only flags.
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
"""Nested containers' parent below the pod's own group; the wrapper gives it limit - reserve."""
CGROUP_DRIVER = "native.cgroupdriver=cgroupfs"
"""No systemd runs in the pod that could manage scopes."""
MAX_CONFIG_BYTES = 64 * 1024
"""It travels in one environment variable; the kernel takes at most 128 KiB for one (MAX_ARG_STRLEN)."""


def daemon_config(spec: DindEnvironmentSpec, settings: Mapping[str, Any], listen: Sequence[str]) -> str:
    """The complete daemon.json, compact and with sorted keys.

    ``settings``: the features' keys. ``listen``: addresses beside the socket.

    Keys that the operator owns cannot be in the user's part: the model refuses them by name.
    Raises UnbuildableError (InvalidDaemonConfig) when it is too large.
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

"""Reason and message for a failure of the daemon or its pod. Texts that tenants control are never copied."""

import re
from dataclasses import dataclass, replace
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.state import apparmor_failures as apparmor
from dind_operator.state import pod_status as pods
from dind_operator.state import sidecar_support as sidecars
from dind_operator.state.node_reports import CheckError, daemon_end, preflight_report

KILLED_BY_SIGKILL = 137
KILLED_BY_SIGTERM = 143


@dataclass(frozen=True, slots=True)
class Failure:
    """``exit_code`` is None if no program exited. ``repeats``: a new pod would fail in the same way."""

    reason: Reason
    message: str
    exit_code: int | None = None
    repeats: bool = False


_NOT_FATAL = re.compile(r"""\blevel=(trace|debug|info|warn|error)|"level": ?"(trace|debug|info|warn|error)""")
"""Log lines that are not fatal. A normal start logs firewall rules that cannot be deleted and drivers that do not work.
The fatal line has no level, or the level fatal or panic."""
MAX_DETAIL = 400
_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons of container runtimes for a container that was never started."""
_CONTAINER_ID = re.compile(r"\b[0-9a-f]{64}\b")

_TAIL_PATTERNS: tuple[tuple[re.Pattern[str], Reason, str], ...] = (
    (
        re.compile(
            r"unable to configure the Docker daemon|directives (are specified both|don't match)|"
            r"failed to start daemon:.*invalid (daemon )?config"
        ),
        Reason.INVALID_DAEMON_CONFIG,
        "dockerd rejected its configuration. Correct spec.daemon.config or spec.daemon.args. `dind-operator report` contains the "
        "message of dockerd.",
    ),
    (
        re.compile(
            r"unknown (shorthand )?flag|flag needs an argument|invalid argument .* for .* flag|accepts? no argument"
        ),
        Reason.INVALID_DAEMON_CONFIG,
        "dockerd rejected an argument. Correct spec.daemon.args. `dind-operator report` contains the message of dockerd.",
    ),
    (
        re.compile(r"[Dd]evices cgroup isn't mounted|cgroups?: .*(not mounted|no such file)"),
        Reason.CGROUPS_NOT_MOUNTABLE,
        "dockerd found no usable cgroups, although the entrypoint of the daemon mounts them. Report a bug, and attach the output of "
        "`dind-operator report`.",
    ),
    (
        re.compile(r"no space left on device"),
        Reason.DISK_FULL,
        "The volume at /var/lib/docker or the disk of the node is full. Increase the size in spec.storage, or free space on "
        "the node.",
    ),
    (
        re.compile(
            r"error initializing graphdriver|driver not supported|failed to mount overlay|prior storage driver|"
            r"configured driver \S+ not available|snapshotter selection failed"
        ),
        Reason.STORAGE_DRIVER_FAILED,
        "The storage driver of dockerd does not work on the volume at /var/lib/docker. Remove storage-driver from "
        "spec.daemon.config, or use a volume whose file system supports it. `dind-operator report` contains the message of dockerd.",
    ),
    (
        re.compile(
            r"failed to start daemon:.*(iptables|nft|network|bridge)|Error initializing network controller|"
            r"failed to (create|initialize|register) .*(NAT|network|bridge)|ip6?tables v[0-9][^:]*:"
        ),
        Reason.NETWORK_SETUP_FAILED,
        "dockerd cannot create its bridge or its firewall rules. The kernel of the node must support the iptables or nftables of the "
        "image. `dind-operator report` contains the message of dockerd.",
    ),
    (
        re.compile(r"failed to start containerd: timeout waiting for containerd to start"),
        Reason.DAEMON_FAILED,
        "The containerd of dockerd did not start within 15 seconds. The kubelet restarts the container. Request more cpu "
        "(spec.daemon.resources), or select less busy nodes with spec.scheduling.",
    ),
)

_WRAPPER_REASONS: dict[str, tuple[Reason, str]] = {
    "ConfigInvalid": (
        Reason.INVALID_DAEMON_CONFIG,
        "dockerd rejected its configuration. Correct spec.daemon.config or spec.daemon.args. `dind-operator report` contains the "
        "message of dockerd.",
    ),
    "MirrorsUnsupported": (
        Reason.INVALID_DAEMON_CONFIG,
        "The daemon does not use the mirrors in spec.registry.mirrorsFor. Mirrors of registries other than Docker Hub need Docker 28 "
        "or later with the containerd image store, the default of Docker 29 for an empty volume. The log of the container daemon "
        "says what is missing. Change it, or remove spec.registry.mirrorsFor.",
    ),
    "RegistryFilesMissing": (
        Reason.REGISTRY_FILES_MISSING,
        "The container daemon cannot start: a ConfigMap or Secret in spec.registry, spec.caBundle or spec.network.proxy, or its "
        "key, no longer exists or has invalid content. The log of the container daemon names it. Create or correct it. The pod "
        "continues within five minutes, or at once if you delete it.",
    ),
}
"""Reasons of the entrypoint that are not reasons of a condition, or whose meaning there is another one."""

_TOOL_REASONS = frozenset(
    {
        Reason.CGROUPS_NOT_MOUNTABLE,
        Reason.CONTROLLER_MISSING,
        Reason.CGROUP_SETUP_FAILED,
        Reason.MEMORY_LIMIT_TOO_LOW,
        Reason.CGROUP_VERSION_UNSUPPORTED,
        Reason.USER_NAMESPACE_MISSING,
        Reason.CGROUP_NOT_WRITABLE,
        Reason.PROC_MASKED,
        Reason.SECURITY_MODE_UNKNOWN,
        Reason.STORAGE_NOT_OVERLAY_CAPABLE,
        Reason.STORAGE_NOT_WRITABLE,
        Reason.FUSE_OVERLAYFS_MISSING,
        Reason.DISK_FULL,
        Reason.HOST_PATH_IS_SYMLINK,
        Reason.HOST_PATH_IN_USE,
        Reason.REGISTRY_FILES_MISSING,
        Reason.NODE_TOOL_INSTALL_FAILED,
        Reason.NETWORK_COLLISION,
        Reason.FIREWALL_UNAVAILABLE,
        Reason.DAEMON_NOT_FOUND,
        Reason.DAEMON_NOT_RUNNABLE,
        Reason.DOCKER_CLI_NOT_FOUND,
    }
)
"""Reasons that a check may report. Tenants can write the report, and must not be able to report Ready or Evicted."""

_EVICTED = (
    "The kubelet evicted the pod. {lost} Set or raise spec.storage.emptyDir.sizeLimit and spec.daemon.resources, or use nodes with "
    "more memory and disk space."
)

_SYSCTL = (
    "The kubelet does not allow a kernel parameter in spec.security.sysctls. Remove the parameter, or choose nodes whose kubelet "
    "allows it (allowedUnsafeSysctls) with spec.scheduling."
)

_LOST = {
    "emptyDir": "The images, layers and volumes on its emptyDir volume are lost.",
    "ephemeral": "The images, layers and volumes on its ephemeral volume are lost.",
    "hostPath": "The data of Docker in the directory of the node is kept.",
}
"""What happens to the data, by the kind of the volume at /var/lib/docker."""


def pod_failure(pod: pods.Pod) -> Failure:
    """Why a pod stopped."""
    reason = pods.status_reason(pod)
    message = pods.status_message(pod)
    if reason == "AppArmor":
        return Failure(Reason.APPARMOR_UNAVAILABLE, _with_detail(apparmor.refused(pod), message), repeats=True)
    if reason == sidecars.REFUSED_BY_KUBELET:
        return Failure(Reason.SIDECARS_UNSUPPORTED, sidecars.unsupported("The node's kubelet"), repeats=True)
    if reason == "SysctlForbidden":
        return Failure(Reason.SYSCTL_FORBIDDEN, _with_detail(_SYSCTL, message), repeats=True)
    if reason == "Evicted":
        lost = _LOST.get(pods.volume_kind(pod), "The data of Docker in the pod is lost.")
        return Failure(Reason.EVICTED, _with_detail(_EVICTED.format(lost=lost), message))
    if not reason:
        failure = container_failure(pods.daemon(pod), DAEMON_CONTAINER) or container_failure(
            pods.container_status(pod, INIT_CONTAINER), INIT_CONTAINER
        )
        if failure is not None:
            return failure
    text = f"The pod stopped with the {'reason ' + reason if reason else 'phase ' + pods.phase(pod)}. The operator replaces it."
    return Failure(Reason.POD_FAILED, _with_detail(text, message))


def container_failure(status: dict[str, Any], name: str) -> Failure | None:
    """The last failure of a container; None without one. A daemon that repeatedly exits with code 0 fails, too."""
    end = pods.last_end(status)
    code = end.get("exitCode")
    if not isinstance(code, int):
        return None
    oom = end.get("reason") == "OOMKilled"
    if oom and name == DAEMON_CONTAINER and _stopped_by_the_node(status, code):
        return replace(_STOPPED_FOR_MEMORY, exit_code=code)
    if code == 0:
        return _ENDS_WELL if name == DAEMON_CONTAINER and pods.looping(status) else None
    if end.get("reason") in _NOT_STARTED:
        return not_started(name, str(end.get("message") or ""), code)
    if name == INIT_CONTAINER:
        return _preflight_failure(end.get("message"), code)
    return _daemon_failure(end.get("message"), code, oom=oom and code == KILLED_BY_SIGKILL)


def _stopped_by_the_node(status: dict[str, Any], code: int) -> bool:
    """Whether a container was asked to end, started again, and something in it had been out of memory.

    The runtime keeps that a nested container was out of memory as the reason of whatever end comes later.
    """
    again = isinstance(status.get("restartCount"), int) and status["restartCount"] > 0
    return code == KILLED_BY_SIGTERM or (code == 0 and again and not (status.get("state") or {}).get("terminated"))


def never_ran(status: dict[str, Any]) -> bool:
    """Whether the runtime could not start the container in its last attempt."""
    return pods.last_end(status).get("reason") in _NOT_STARTED


def not_started(name: str, detail: str, code: int | None = None) -> Failure:
    """The runtime cannot start a container. The id of the container is removed from the message, because it changes with each try."""
    message = _CONTAINER_ID.sub("…", detail)[:MAX_DETAIL]
    return Failure(
        Reason.POD_FAILED,
        f"The container runtime of the node cannot start the container {name}: {message} The Events of the pod contain its messages.",
        code,
    )


_ENDS_WELL = Failure(
    Reason.DAEMON_CRASH_LOOP,
    "dockerd exits repeatedly without an error (exit code 0): a probe or a process in the pod stops it. The Events of the pod and "
    "`dind-operator report` show the cause.",
    0,
)


_STOPPED_FOR_MEMORY = Failure(
    Reason.OUT_OF_MEMORY,
    "A nested container ran out of memory, and the daemon was then stopped (SIGTERM). A node with cgroup v2, systemd and runc 1.5.2 "
    "or later stops the whole container of the daemon, unless the kubelet is configured with singleProcessOOMKill: true. Ask an "
    "administrator to set it. If it is set, a probe or a process in the pod stopped the daemon: the Events of the pod show which.",
    KILLED_BY_SIGTERM,
)


def _preflight_failure(message: object, code: int) -> Failure:
    report = preflight_report(str(message or ""))
    if report is not None and report.error is not None:
        return _checked(report.error, code)
    return Failure(
        Reason.PREFLIGHT_FAILED,
        f"The init container {INIT_CONTAINER} exited with code {code} and without a valid report. Read the log of the container.",
        code,
    )


def _daemon_failure(message: object, code: int, *, oom: bool) -> Failure:
    if oom:
        return Failure(
            Reason.OUT_OF_MEMORY,
            "The pod reached its memory limit, and the kernel killed the daemon with all nested containers. Raise "
            "spec.daemon.resources.limits.memory or spec.daemon.reserve.memory.",
            code,
        )
    end = daemon_end(str(message or ""))
    if end.error is not None:
        return _wrapper_failure(end.error.reason, code)
    if code == KILLED_BY_SIGKILL:
        return Failure(
            Reason.DAEMON_FAILED,
            "dockerd was killed (SIGKILL) by the liveness probe, by the node or by a user. The Events of the pod show the cause.",
            code,
        )
    fatal = "\n".join(line for line in end.tail.splitlines() if not _NOT_FATAL.search(line))
    for pattern, reason, text in _TAIL_PATTERNS:
        if pattern.search(fatal):
            return Failure(reason, text, code)
    return Failure(
        Reason.DAEMON_FAILED,
        f"dockerd exited with code {code}. `dind-operator report` contains the last lines of its log.",
        code,
    )


def _wrapper_failure(reason: str, code: int) -> Failure:
    """The entrypoint failed before dockerd ran. Its message may quote dockerd, so only the reason is used."""
    if reason in _WRAPPER_REASONS:
        word, text = _WRAPPER_REASONS[reason]
        return Failure(word, text, code)
    if reason in _TOOL_REASONS:
        word = Reason(reason)
        return Failure(word, f"{word.meaning} {word.remedy}".strip(), code)
    return Failure(
        Reason.DAEMON_FAILED,
        "The entrypoint of the daemon cannot prepare the container. `dind-operator report` contains the cause.",
        code,
    )


def _checked(error: CheckError, code: int) -> Failure:
    """The failure of a check. Its reason is used only if a check may report it."""
    known = error.reason in _TOOL_REASONS
    return Failure(Reason(error.reason) if known else Reason.PREFLIGHT_FAILED, error.message, code)


def _with_detail(text: str, detail: str) -> str:
    return f"{text} Message of the kubelet: {detail}" if detail else text


def failure_of(pod: pods.Pod) -> Failure | None:
    """The last failure of the daemon or, before its first start, of mount-cgroups."""
    return failure_in(pod, DAEMON_CONTAINER) or failure_in(pod, INIT_CONTAINER)


def failure_in(pod: pods.Pod, name: str) -> Failure | None:
    """The last failure of one container."""
    status = pods.container_status(pod, name)
    failure = container_failure(status, name)
    if failure is None or not never_ran(status):
        return failure
    return explained(pod, failure, str(pods.last_end(status).get("message") or ""))


def explained(pod: pods.Pod, failure: Failure, message: str) -> Failure:
    """The failure with a more specific reason, if the message of the runtime shows the cause."""
    cause = apparmor.not_loaded(pod, message)
    return replace(failure, reason=Reason.APPARMOR_UNAVAILABLE, message=cause) if cause else failure

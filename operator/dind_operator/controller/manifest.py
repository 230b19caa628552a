"""The pod of one environment: `mount-cgroups` proves the node, then `daemon` runs dockerd."""

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.controller.features import PODS
from dind_operator.features.workloads import pod as workloads
from dind_operator.pod.daemon_json import daemon_config
from dind_operator.pod.defaults import DEFAULT_MINUTE_SECONDS, BuildSettings
from dind_operator.pod.memory import MemoryPlan, plan_memory
from dind_operator.pod.metadata import object_labels, owner_reference
from dind_operator.pod.part import PodPart, merged
from dind_operator.pod.probes import probes
from dind_operator.pod.spec_hash import digest, intent_hash
from dind_operator.pod.variables import BUILD_VARIABLE, CREDENTIALS_VARIABLE, INTENT_VARIABLE, SOCKET

TOOL_MOUNT = "/dind"
MINUTE_VARIABLE = "DIND_MINUTE_SECONDS"
"""As in image/dind-helper/periods.c."""

DEFAULT_SHUTDOWN_SECONDS = 15
"""dockerd's own default for ``shutdown-timeout``: how long it waits for its containers, unless one of them was started
with a stop timeout above 10 s: then that and 5 s (read: moby, Daemon.ShutdownTimeout). Nobody outside can know that one."""
CONTAINERD_SHUTDOWN_SECONDS = 10
"""How long dockerd then waits for its containerd (read: moby, libcontainerd/supervisor)."""
GRACE_MARGIN_SECONDS = 15
MAX_SHUTDOWN_SECONDS = 3600
"""A pod must be deletable within some time, whatever daemon.json says."""
_SHUTDOWN_FLAG = re.compile(r"^--shutdown-timeout(=|$)")
_GO_OCTAL = re.compile(r"^([+-]?)0_?(?=[0-7])")


_ANNOTATIONS = {
    # A moved daemon loses its builds and its cache.
    names.ANNOTATION_SAFE_TO_EVICT: "false",
    names.ANNOTATION_DO_NOT_DISRUPT: "true",
    # `kubectl exec` and `kubectl logs` mean the daemon.
    names.ANNOTATION_DEFAULT_CONTAINER: DAEMON_CONTAINER,
}
REMEMBERED = 256
"""Manifests that are not made again: those of the environments that are looked at again and again, while they start."""


@dataclass(frozen=True, slots=True)
class DesiredPod:
    """The pod that an environment asks for, and the memory that is held back in it. Shared, so nobody may change it."""

    manifest: dict[str, Any]
    memory: MemoryPlan


class _Question:
    """What a pod is made from: two that are equal have the same answer."""

    __slots__ = ("credentials", "environment", "key", "settings")

    def __init__(self, environment: DindEnvironment, settings: BuildSettings, credentials: str | None) -> None:
        self.environment, self.settings, self.credentials = environment, settings, credentials
        named = environment.namespace, environment.name, environment.uid
        self.key = (*named, environment.spec_text, settings, credentials)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Question) and self.key == other.key


def desired_pod(environment: DindEnvironment, settings: BuildSettings, credentials: str | None = None) -> DesiredPod:
    """The same for the same question, and made only once. Raises UnbuildableError as ``daemon_pod`` does."""
    question = _Question(environment, settings, credentials)
    return _answer(question) if environment.spec_text else _answer.__wrapped__(question)


@lru_cache(maxsize=REMEMBERED)
def _answer(question: _Question) -> DesiredPod:
    manifest = daemon_pod(question.environment, question.settings, question.credentials)
    return DesiredPod(manifest, plan_memory(question.environment.spec, question.settings))


def daemon_pod(environment: DindEnvironment, settings: BuildSettings, credentials: str | None = None) -> dict[str, Any]:
    """The manifest of the environment's pod. ``credentials`` goes into a variable of that name.

    Raises UnbuildableError when the spec cannot make a working pod.
    """
    spec = environment.spec
    part = whole_part(environment, settings)
    pod_spec = _pod_spec(environment, settings, part)
    annotations = {**(spec.pod_metadata.annotations or {}), **_ANNOTATIONS, **part.annotations}
    intent = intent_hash(spec)
    build = digest([pod_spec, annotations])
    told = {INTENT_VARIABLE: intent, BUILD_VARIABLE: build}
    _add_variables(pod_spec, told | ({CREDENTIALS_VARIABLE: credentials} if credentials is not None else {}))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": environment.name,
            "namespace": environment.namespace,
            "labels": {**(spec.pod_metadata.labels or {}), **object_labels(environment.name)},
            "annotations": annotations
            | {names.ANNOTATION_INTENT_HASH: intent, names.ANNOTATION_ENVIRONMENT_UID: environment.uid},
            "ownerReferences": [owner_reference(environment)],
        },
        "spec": pod_spec,
    }


def resolved_daemon_image(spec: DindEnvironmentSpec, settings: BuildSettings) -> str:
    """The image that the daemon runs, after defaults."""
    return spec.daemon.image or settings.daemon_image


def whole_part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """What all features add to the pod. Raises UnbuildableError as ``daemon_pod`` does."""
    return merged(part(environment, settings) for part in PODS)


def _pod_spec(environment: DindEnvironment, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    spec = environment.spec
    init_containers, containers = workloads.arranged(
        spec, _init_container(spec, settings, part), _daemon_container(spec, settings, part)
    )
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_period_seconds(spec, part.grace_seconds),
        "initContainers": init_containers,
        "containers": containers,
        "volumes": [
            # The tool and its report; a runaway write must not fill the node.
            {"name": names.VOLUME_TOOL, "emptyDir": {"sizeLimit": "16Mi"}},
            # In memory, whatever the node's disk is mounted with: the socket's access time tells that it is used.
            {"name": names.VOLUME_SOCKET, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            *part.volumes,
        ],
        **part.pod_fields,
        **spec.scheduling.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
    }
    if spec.daemon.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.daemon.image_pull_secrets]
    return pod


def grace_period_seconds(spec: DindEnvironmentSpec, before: int = 0) -> int:
    """``before``, which is the end of other containers, and longer than dockerd's own shutdown.

    As far as ``shutdown-timeout`` in config or args decides on it.

    A nested container with a longer stop timeout prolongs the shutdown and is not known here: its user raises
    ``shutdown-timeout`` and the grace period follows.
    """
    seconds = _shutdown_seconds(spec)
    if not 0 <= seconds <= MAX_SHUTDOWN_SECONDS:  # to dockerd a negative one means to wait for ever
        seconds = MAX_SHUTDOWN_SECONDS
    return seconds + CONTAINERD_SHUTDOWN_SECONDS + GRACE_MARGIN_SECONDS + before


def _shutdown_seconds(spec: DindEnvironmentSpec) -> int:
    """What dockerd will read: the last of the flags, else the key. The longest for what it may or may not refuse."""
    args = spec.daemon.args
    chosen = spec.daemon.config.get("shutdown-timeout", DEFAULT_SHUTDOWN_SECONDS)
    for argument, following in zip(args, [*args, ""][1:], strict=True):
        if match := _SHUTDOWN_FLAG.match(argument):
            chosen = _go_integer(argument[match.end() :] if match[1] else following)
    return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) else MAX_SHUTDOWN_SECONDS


def _go_integer(text: str) -> int | None:
    """A number as flags of Go programs are written (strconv.ParseInt with base 0): 600, 0x258, 0o1130, 01130, 6_00."""
    try:
        return int(_GO_OCTAL.sub(r"\g<1>0o", text), 0)
    except ValueError:
        return None


def _init_container(spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    return {
        "name": INIT_CONTAINER,
        "image": settings.node_tool_image,
        "imagePullPolicy": settings.node_tool_pull_policy,
        "command": ["/usr/local/lib/dind/cgroups-mount", "preflight", "--install", TOOL_MOUNT],
        "env": _variables(spec, settings, part),
        "volumeMounts": [{"name": names.VOLUME_TOOL, "mountPath": TOOL_MOUNT}, *part.mounts, *part.init_mounts],
        **_shared(spec, part),
    }


def _daemon_container(spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    container = {
        "name": DAEMON_CONTAINER,
        "image": resolved_daemon_image(spec, settings),
        "command": [f"{TOOL_MOUNT}/entrypoint"],
        "env": [
            *_variables(spec, settings, part),
            _variable("DIND_DAEMON_CONFIG", daemon_config(spec, part.daemon_json, part.listen)),
            _variable("DIND_SOCKET", SOCKET),
            *_minute(settings),
            *(_variable(name, value) for name, value in part.daemon_variables.items()),
            *(_variable(item.name, item.value) for item in spec.daemon.env),
        ],
        "volumeMounts": [
            {"name": names.VOLUME_TOOL, "mountPath": TOOL_MOUNT, "readOnly": True},
            {"name": names.VOLUME_SOCKET, "mountPath": "/run/dind"},
            *part.mounts,
            *part.daemon_mounts,
        ],
        **probes(spec.probes, after=part.ready_file),
        **_shared(spec, part),
    }
    if spec.daemon.args:
        container["args"] = [_escaped(argument) for argument in spec.daemon.args]
    if spec.daemon.image_pull_policy is not None:
        container["imagePullPolicy"] = spec.daemon.image_pull_policy.value
    return container


def _minute(settings: BuildSettings) -> list[dict[str, Any]]:
    """Nothing for a minute of 60 s: an installation that does not change it has the pods it had."""
    if settings.minute_seconds == DEFAULT_MINUTE_SECONDS:
        return []
    return [{"name": MINUTE_VARIABLE, "value": str(settings.minute_seconds)}]


def _shared(spec: DindEnvironmentSpec, part: PodPart) -> dict[str, Any]:
    """What both containers must have alike, or the first would prove nothing about the second."""
    shared: dict[str, Any] = {**deepcopy(dict(part.container_fields)), "terminationMessagePolicy": "File"}
    resources = spec.daemon.resources.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if resources:
        shared["resources"] = resources
    return shared


def _variables(spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart) -> list[dict[str, Any]]:
    reserve = {"DIND_RESERVE_BYTES": str(plan_memory(spec, settings).held_back)}
    return [_variable(name, value) for name, value in {**reserve, **part.variables}.items()]


def _variable(name: str, value: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "value": _escaped(value)} if isinstance(value, str) else {"name": name, "valueFrom": value}


def _escaped(value: str) -> str:
    """Kubernetes substitutes ``$(NAME)`` in arguments and variables, and makes one ``$`` of every ``$$``."""
    return value.replace("$", "$$")


def _add_variables(pod_spec: dict[str, Any], variables: dict[str, str]) -> None:
    every = [*pod_spec["initContainers"], *pod_spec["containers"]]
    daemon = next(container for container in every if container["name"] == DAEMON_CONTAINER)
    daemon["env"] += [{"name": name, "value": value} for name, value in variables.items()]

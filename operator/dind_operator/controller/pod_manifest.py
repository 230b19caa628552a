"""The pod of one environment: `mount-cgroups` checks the node, then `daemon` runs dockerd."""

from copy import deepcopy
from dataclasses import dataclass, replace
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
from dind_operator.pod.grace_period import grace_period_seconds
from dind_operator.pod.memory import MemoryPlan, plan_memory
from dind_operator.pod.metadata import object_labels, owner_reference
from dind_operator.pod.node_config import CONFIG_VARIABLE, DAEMON_ONLY, NodeConfig, encoded
from dind_operator.pod.part import PodPart, merged
from dind_operator.pod.probes import probes
from dind_operator.pod.spec_hash import digest, intent_hash
from dind_operator.pod.variables import BUILD_VARIABLE, CREDENTIALS_VARIABLE, INTENT_VARIABLE, SOCKET, escaped, variable

TOOL_MOUNT = "/dind"
MINUTE_VARIABLE = "DIND_MINUTE_SECONDS"
"""As in node/internal/periods."""

_ANNOTATIONS = {
    # An evicted daemon loses its builds and its cache.
    names.ANNOTATION_SAFE_TO_EVICT: "false",
    names.ANNOTATION_DO_NOT_DISRUPT: "true",
    # The default of `kubectl exec` and `kubectl logs`.
    names.ANNOTATION_DEFAULT_CONTAINER: DAEMON_CONTAINER,
}
CACHED_MANIFESTS = 256
"""Manifests that are cached, because an environment is reconciled repeatedly while it starts."""


@dataclass(frozen=True, slots=True)
class DesiredPod:
    """The desired pod of an environment, and its memory. It is cached, so it must not be modified."""

    manifest: dict[str, Any]
    memory: MemoryPlan


class _Inputs:
    """The inputs for a pod, as a key of the cache."""

    __slots__ = ("credentials", "environment", "key", "settings")

    def __init__(self, environment: DindEnvironment, settings: BuildSettings, credentials: str | None) -> None:
        self.environment, self.settings, self.credentials = environment, settings, credentials
        named = environment.namespace, environment.name, environment.uid
        self.key = (*named, environment.spec_text, settings, credentials)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inputs) and self.key == other.key


def desired_pod(environment: DindEnvironment, settings: BuildSettings, credentials: str | None = None) -> DesiredPod:
    """The desired pod, from the cache if possible. Raises UnbuildableError like ``daemon_pod``."""
    inputs = _Inputs(environment, settings, credentials)
    return _cached_pod(inputs) if environment.spec_text else _cached_pod.__wrapped__(inputs)


@lru_cache(maxsize=CACHED_MANIFESTS)
def _cached_pod(inputs: _Inputs) -> DesiredPod:
    manifest = daemon_pod(inputs.environment, inputs.settings, inputs.credentials)
    return DesiredPod(manifest, plan_memory(inputs.environment.spec, inputs.settings))


def daemon_pod(environment: DindEnvironment, settings: BuildSettings, credentials: str | None = None) -> dict[str, Any]:
    """The manifest of the environment's pod. ``credentials`` is added as an environment variable.

    Raises UnbuildableError when the spec cannot make a working pod.
    """
    spec = environment.spec
    part = whole_part(environment, settings)
    pod_spec = _pod_spec(environment, settings, part)
    annotations = {**(spec.pod_metadata.annotations or {}), **_ANNOTATIONS, **part.annotations}
    intent = intent_hash(spec)
    build = digest([pod_spec, annotations])
    hashes = {INTENT_VARIABLE: intent, BUILD_VARIABLE: build}
    _add_variables(pod_spec, hashes | ({CREDENTIALS_VARIABLE: credentials} if credentials is not None else {}))
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
    """The image of the daemon, with the default applied."""
    return spec.daemon.image or settings.daemon_image


def whole_part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """The additions of all features to the pod. Raises UnbuildableError like ``daemon_pod``."""
    return merged(part(environment, settings) for part in PODS)


def _pod_spec(environment: DindEnvironment, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    spec = environment.spec
    init_containers, containers = workloads.arranged(
        spec,
        _init_container(spec, settings, part),
        _daemon_container(spec, settings, part),
        part.workload_variables,
    )
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_period_seconds(spec, part.grace_seconds),
        "initContainers": init_containers,
        "containers": containers,
        "volumes": [
            # The tool and its report. The limit protects the disk of the node.
            {"name": names.VOLUME_TOOL, "emptyDir": {"sizeLimit": "16Mi"}},
            # In memory, because the access time of the socket shows activity, and disks may not record it.
            {"name": names.VOLUME_SOCKET, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            *part.volumes,
        ],
        **part.pod_fields,
        **({"securityContext": dict(part.pod_security)} if part.pod_security else {}),
        **spec.scheduling.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
    }
    if spec.daemon.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.daemon.image_pull_secrets]
    return pod


def _init_container(spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    return {
        "name": INIT_CONTAINER,
        "image": settings.node_tool_image,
        "imagePullPolicy": settings.node_tool_pull_policy,
        "command": ["/usr/local/lib/dind/cgroups-mount", "preflight", "--install", TOOL_MOUNT],
        "env": _variables(spec, settings, for_init(part)),
        "volumeMounts": [{"name": names.VOLUME_TOOL, "mountPath": TOOL_MOUNT}, *part.mounts, *part.init_mounts],
        **_shared(spec, part),
    }


def for_init(part: PodPart) -> PodPart:
    """Without the members of the configuration that only the daemon's container needs."""
    return replace(
        part, node_config={name: value for name, value in part.node_config.items() if name not in DAEMON_ONLY}
    )


def _daemon_container(spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart) -> dict[str, Any]:
    container = {
        "name": DAEMON_CONTAINER,
        "image": resolved_daemon_image(spec, settings),
        "command": [f"{TOOL_MOUNT}/entrypoint"],
        "env": [
            *_variables(
                spec, settings, part, socket=SOCKET, daemon_config=daemon_config(spec, part.daemon_json, part.listen)
            ),
            *_minute(settings),
            *(variable(item.name, item.value) for item in spec.daemon.env),
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
        container["args"] = [escaped(argument) for argument in spec.daemon.args]
    if spec.daemon.image_pull_policy is not None:
        container["imagePullPolicy"] = spec.daemon.image_pull_policy.value
    return container


def _minute(settings: BuildSettings) -> list[dict[str, Any]]:
    """No variable for the default, so that existing pods stay up to date."""
    if settings.minute_seconds == DEFAULT_MINUTE_SECONDS:
        return []
    return [{"name": MINUTE_VARIABLE, "value": str(settings.minute_seconds)}]


def _shared(spec: DindEnvironmentSpec, part: PodPart) -> dict[str, Any]:
    """Fields that both containers have, so that the checks of the first one are valid for the second one."""
    shared: dict[str, Any] = {**deepcopy(dict(part.container_fields)), "terminationMessagePolicy": "File"}
    resources = spec.daemon.resources.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if resources:
        shared["resources"] = resources
    return shared


def _variables(
    spec: DindEnvironmentSpec, settings: BuildSettings, part: PodPart, **members: Any
) -> list[dict[str, Any]]:
    """The configuration of dind-node with these members, and the variables of the features."""
    held_back = plan_memory(spec, settings).held_back
    config = encoded(NodeConfig(reserve_bytes=held_back, **part.node_config, **members))
    return [variable(name, value) for name, value in {CONFIG_VARIABLE: config, **part.variables}.items()]


def _add_variables(pod_spec: dict[str, Any], variables: dict[str, str]) -> None:
    every = [*pod_spec["initContainers"], *pod_spec["containers"]]
    daemon = next(container for container in every if container["name"] == DAEMON_CONTAINER)
    daemon["env"] += [{"name": name, "value": value} for name, value in variables.items()]

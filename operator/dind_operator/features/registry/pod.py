"""Registries in the pod: keys of daemon.json, the volume with CA certificates and credentials, and what dind-node
has to know of them.

A mount path must not contain a colon, but a registry with a port does. Therefore all files are in one projected volume, and the
wrapper links them to the paths that dockerd and the docker CLI read. All sources are optional, because the kubelet reports a volume
that it cannot mount only as an Event. The init container mount-cgroups checks the files and reports a missing one.
"""

import re
from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.registry import INSECURE_PATTERN, MIRROR_PATTERN, CaBundle, EnvironmentCaBundle, RegistrySpec
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.dockerd.config_keys import Setting, by_field
from dind_operator.dockerd.flags import flag_values, is_set
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.node_config import AuthorityConfig, Key, MirrorConfig, RegistryConfig
from dind_operator.pod.part import PodPart
from dind_operator.pod.reserved_secrets import check_secrets

FILES_MOUNT = "/run/dind-registry"
"""The same path as in node/internal/registry."""
CREDENTIALS_KEY = ".dockerconfigjson"
"""The key in a Secret of type kubernetes.io/dockerconfigjson."""
_MIRRORS = by_field()["registry.mirrors"]
(_INSECURE,) = by_field()["registry.insecureRegistries"]
PRELOADED_FILE = "/run/dind-private/preloaded"
"""Exists when all images are pulled. It is lost with the container, so each start of the daemon checks again."""


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """Keys of daemon.json, the certificate authorities and credentials, and the images to pull first.

    Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon.
    """
    spec = environment.spec
    return PodPart(
        volumes=volumes(environment),
        mounts=mounts(spec),
        node_config=node_config(spec, settings),
        daemon_json=daemon_settings(spec, settings),
        ready_file=PRELOADED_FILE if spec.daemon.preload else None,
    )


def daemon_settings(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """Keys of daemon.json for registries. A key or flag of the user, even an empty one, disables the default mirrors."""
    registry, daemon = spec.registry, spec.daemon
    own = any(is_set(setting, daemon.config, daemon.args) for setting in _MIRRORS)
    mirrors = registry.mirrors or ([] if own else list(settings.default_registry_mirrors))
    return {
        **({"registry-mirrors": mirrors} if mirrors else {}),
        **({"insecure-registries": registry.insecure_registries} if registry.insecure_registries else {}),
    }


def hub_mirrors(spec: DindEnvironmentSpec, settings: BuildSettings) -> list[str]:
    """The mirrors of Docker Hub in daemon.json. URLs that the API would reject are left to dockerd."""
    daemon = spec.daemon
    if spec.registry.mirrors:
        return list(spec.registry.mirrors)
    if any(is_set(setting, daemon.config, daemon.args) for setting in _MIRRORS):
        return [url for url in _listed(spec, _MIRRORS[0]) if re.fullmatch(MIRROR_PATTERN, url)]
    return list(settings.default_registry_mirrors)


def _listed(spec: DindEnvironmentSpec, setting: Setting) -> list[str]:
    """The strings of a key in `spec.daemon.config`; dockerd ignores the case of keys."""
    values = next((value for key, value in spec.daemon.config.items() if key.casefold() == setting.key), None)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _insecure(spec: DindEnvironmentSpec) -> list[str]:
    """The insecure registries of dockerd, from the one place where they are set; others than the API accepts are left to dockerd."""
    named = [*_listed(spec, _INSECURE), *flag_values(_INSECURE, spec.daemon.args)]
    return spec.registry.insecure_registries or [host for host in named if re.fullmatch(INSECURE_PATTERN, host)]


def volumes(environment: DindEnvironment) -> list[dict[str, Any]]:
    """The volume with CA certificates and credentials, readable only by root; none if the spec has neither.

    Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon.
    """
    spec = environment.spec
    check_secrets(environment, "spec.registry", secret_names(spec.registry))
    check_secrets(environment, "spec.caBundle", bundle_secret_names(spec.ca_bundle))
    sources = [_authority(bundle, f"certs.d/{bundle.registry}/ca.crt") for bundle in spec.registry.ca_bundles]
    if spec.ca_bundle is not None:
        sources.append(_authority(spec.ca_bundle, "trust/ca.crt"))
    if spec.registry.pull_secret is not None:
        sources.append(_source("secret", spec.registry.pull_secret.name, CREDENTIALS_KEY, "auth/config.json"))
    return [{"name": names.VOLUME_REGISTRY, "projected": {"defaultMode": 0o400, "sources": sources}}] if sources else []


def mounts(spec: DindEnvironmentSpec) -> list[dict[str, Any]]:
    """The mount of the volume in both containers."""
    if not (spec.registry.ca_bundles or spec.registry.pull_secret or spec.ca_bundle):
        return []
    return [{"name": names.VOLUME_REGISTRY, "mountPath": FILES_MOUNT, "readOnly": True}]


def node_config(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """The mirrors of all registries, the insecure ones, the files of the volume, and the images to pull first."""
    mirrors = [MirrorConfig(registry="docker.io", url=url) for url in hub_mirrors(spec, settings)]
    mirrors += [
        MirrorConfig(registry=entry.registry, url=url) for entry in spec.registry.mirrors_for for url in entry.mirrors
    ]
    authorities = [
        AuthorityConfig(registry=bundle.registry, source=_named(bundle)) for bundle in spec.registry.ca_bundles
    ]
    secret = spec.registry.pull_secret
    config = RegistryConfig(
        mirrors=mirrors or None,
        insecure=_insecure(spec) or None,
        authorities=authorities or None,
        trust=None if spec.ca_bundle is None else _named(spec.ca_bundle),
        credentials=None if secret is None else Key(kind="Secret", name=secret.name, key=CREDENTIALS_KEY),
    )
    return {
        **({} if config == RegistryConfig() else {"registry": config}),
        **({"preload": list(spec.daemon.preload)} if spec.daemon.preload else {}),
    }


def secret_names(registry: RegistrySpec) -> list[str]:
    """The names of all Secrets that `spec.registry` refers to."""
    pull = [registry.pull_secret.name] if registry.pull_secret is not None else []
    return pull + [bundle.secret_ref.name for bundle in registry.ca_bundles if bundle.secret_ref is not None]


def bundle_secret_names(bundle: EnvironmentCaBundle | None) -> list[str]:
    """The name of the Secret that `spec.caBundle` refers to."""
    return [bundle.secret_ref.name] if bundle is not None and bundle.secret_ref is not None else []


def _named(bundle: CaBundle | EnvironmentCaBundle) -> Key:
    if bundle.config_map_ref is not None:
        return Key(kind="ConfigMap", name=bundle.config_map_ref.name, key=bundle.config_map_ref.key)
    assert bundle.secret_ref is not None, "the model demands one of them"
    return Key(kind="Secret", name=bundle.secret_ref.name, key=bundle.secret_ref.key)


def _authority(bundle: CaBundle | EnvironmentCaBundle, path: str) -> dict[str, Any]:
    named = _named(bundle)
    return _source("configMap" if named.kind == "ConfigMap" else "secret", named.name, named.key, path)


def _source(kind: str, name: str, key: str, path: str) -> dict[str, Any]:
    return {kind: {"name": name, "items": [{"key": key, "path": path}], "optional": True}}

"""The policy for fields that set keys of daemon.json, and for the Secrets of registries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dind_operator.api.registry import RegistrySpec
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.dockerd.config_keys import by_field
from dind_operator.features.policy.messages import not_allowed, refused, secret_covered
from dind_operator.features.registry.pod import bundle_secret_names, secret_names

KEYS: Final[Mapping[str, str]] = dict(
    sorted({"registry.mirrorsFor": "registry-mirrors", **{f: s[0].key for f, s in by_field().items()}}.items())
)
"""Field below spec -> key of daemon.json, in the order of the checks. The same as in the chart."""
_PLAIN: Final = "insecure-registries"
"""Key that mirrors with http:// need, too: they are accessed without TLS, and builds before Docker 28 need them in it."""
_UNSET: Final[tuple[Any, ...]] = (None, "Auto", [])


def keys(spec: DindEnvironmentSpec, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """A field that sets a key of daemon.json needs the permission for this key."""
    if allowed is None:
        return
    manifest = spec.to_dict()
    for field, key in KEYS.items():
        if key not in allowed and _set(manifest, field):
            yield not_allowed("The field", f"spec.{field} ({key} in daemon.json)", allowed, "daemonConfig")
            return
    plain = [] if _PLAIN in allowed else [field for field, urls in _mirrors(spec) if any(map(_has_no_tls, urls))]
    if plain:
        yield not_allowed(
            "The field", f"spec.{plain[0]} with http:// ({_PLAIN} in daemon.json)", allowed, "daemonConfig"
        )


def _mirrors(spec: DindEnvironmentSpec) -> Iterator[tuple[str, Sequence[Any]]]:
    """The fields with mirrors, in the order of the checks, and their URLs."""
    listed = spec.daemon.config.get("registry-mirrors")
    yield "daemon.config", listed if isinstance(listed, list) else []
    yield "registry.mirrors", spec.registry.mirrors
    yield "registry.mirrorsFor", [url for entry in spec.registry.mirrors_for for url in entry.mirrors]


def _has_no_tls(url: object) -> bool:
    return isinstance(url, str) and url.casefold().startswith("http://")


def secrets(registry: RegistrySpec, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """The Secrets of the namespace that `spec.registry` may refer to."""
    return refused("spec.registry Secret", secret_names(registry), allowed, "secrets", secret_covered)


def other_secrets(spec: DindEnvironmentSpec, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """The Secrets of the namespace that `spec.caBundle` and `spec.network.proxy` may refer to."""
    proxy = spec.network.proxy
    named = [proxy.secret_ref.name] if proxy is not None and proxy.secret_ref is not None else []
    every = [*bundle_secret_names(spec.ca_bundle), *named]
    return refused("spec.caBundle or spec.network.proxy Secret", every, allowed, "secrets", secret_covered)


def _set(manifest: Mapping[str, Any], field: str) -> bool:
    found: Any = manifest
    for part in field.split("."):
        found = (found or {}).get(part)
    return found not in _UNSET

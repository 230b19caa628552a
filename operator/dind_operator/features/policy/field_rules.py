"""The policy for fields that set keys of daemon.json, and for the Secrets of registries."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dind_operator.api.registry import RegistrySpec
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.dockerd.settings import by_field
from dind_operator.features.policy.messages import not_allowed, refused, secret_covered
from dind_operator.features.registry.pod import secret_names

KEYS: Final[Mapping[str, str]] = {field: settings[0].key for field, settings in sorted(by_field().items())}
"""Field below spec -> key of daemon.json, in the order of the checks. The same as in the chart."""
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


def secrets(registry: RegistrySpec, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """The Secrets of the namespace that `spec.registry` may refer to."""
    return refused("spec.registry Secret", secret_names(registry), allowed, "secrets", secret_covered)


def _set(manifest: Mapping[str, Any], field: str) -> bool:
    found: Any = manifest
    for part in field.split("."):
        found = (found or {}).get(part)
    return found not in _UNSET

"""Hashes that show whether a pod is up to date.

``intent`` covers the spec of the user only, so that an upgrade of the operator replaces no pod. ``build`` covers the complete pod,
so that a change by another version of the operator is detected.
"""

import hashlib
import json
from typing import Any, Final

from dind_operator.api.spec import DindEnvironmentSpec

_NOT_IN_THE_POD: Final[dict[str, Any]] = {
    **dict.fromkeys(("operating_mode", "update_policy", "disruption_policy", "lifetime", "published_ports"), True),
    "endpoint": {"allow_from"},
    "security": {"cloud_metadata"},
}
"""Fields of the spec that do not change the pod."""


def intent_hash(spec: DindEnvironmentSpec) -> str:
    """16 hexadecimal digits over the spec. An explicit default has the same hash as an omitted field."""
    fields = spec.model_dump(
        mode="json", by_alias=True, exclude=_NOT_IN_THE_POD, exclude_none=True, exclude_defaults=True
    )
    free = fields.get("daemon", {}).pop("config", {})
    return digest([_without_empty(fields), free])


def digest(value: Any) -> str:
    """16 hexadecimal digits over ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_empty(value: Any) -> Any:
    """The value without empty fields. Not for daemon.json, in which an empty value has a meaning."""
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item not in ({}, [])}

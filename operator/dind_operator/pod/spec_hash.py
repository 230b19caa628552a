"""Hashes that say whether a pod is what its environment asks for.

Two of them: ``intent`` covers the user's spec only, so that an upgrade of the operator restarts nobody; ``build`` covers all
that was made of it, so that the pod can say it was made by another version.
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
"""Fields of the spec that change what the operator does and nothing in the pod."""


def intent_hash(spec: DindEnvironmentSpec) -> str:
    """16 hexadecimal digits over what the user said; a default written out is the same as one left out."""
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
    """Without empty parts of the spec. Never for daemon.json, where an empty value is not the same as none."""
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item not in ({}, [])}

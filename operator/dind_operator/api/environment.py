"""A DindEnvironment as the operator uses it: its identity, the validated spec, and its raw status.

An object may be stored under an older CustomResourceDefinition, so its validation can fail. The error is a message for a condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from pydantic import ValidationError

from . import nesting
from .json_codec import Decoder, Encoder
from .messages import describe_errors
from .names import NAME_MAX_LENGTH, NAME_PATTERN
from .spec import DindEnvironmentSpec

CACHED_SPECS = 512
"""Size of the cache of parsed specs. An environment is reconciled repeatedly while it starts and when it changes."""
CACHED_SPECS_BYTES = 16 * 1024
"""A longer spec is not cached, so that tenants cannot fill the memory of the operator."""


TOO_DEEP = f"spec.daemon.config must not be nested more than {nesting.MAX_DEPTH} levels deep: flatten its values"
_encode = Encoder(separators=(",", ":")).encode
_decode = Decoder().decode


class InvalidEnvironment(Exception):  # noqa: N818 - it says what the object is
    """The object is not a valid environment. `message` names the field, the value and a remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class DindEnvironment:
    """One environment. `status` is the raw status from the API server; times are RFC 3339 text."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: DindEnvironmentSpec
    spec_text: str = ""
    """The spec as JSON, as a key for caches; empty for a long spec."""
    deletion_timestamp: str | None = None
    creation_timestamp: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """Parse an object of the API. Raises InvalidEnvironment."""
        metadata = obj.get("metadata") or {}
        name = metadata.get("name") or ""
        if len(name) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, name):
            raise InvalidEnvironment(
                f"metadata.name {name!r} is invalid: must have at most {NAME_MAX_LENGTH} lower-case letters, digits and "
                "'-', starting with a letter and ending with a letter or digit"
            )
        try:
            # A list or a number is not an empty spec; the API server does not store one.
            text = _encode({} if obj.get("spec") is None else obj["spec"])
            spec = _parsed(text) if len(text) <= CACHED_SPECS_BYTES else _parsed.__wrapped__(text)
        except ValidationError as error:
            raise InvalidEnvironment(describe_errors(error)) from error
        except (RecursionError, _TooDeepError) as error:
            raise InvalidEnvironment(TOO_DEEP) from error
        return cls(
            name=name,
            namespace=metadata.get("namespace") or "",
            uid=metadata.get("uid") or "",
            generation=metadata.get("generation") or 0,
            spec=spec,
            spec_text=text if len(text) <= CACHED_SPECS_BYTES else "",
            deletion_timestamp=metadata.get("deletionTimestamp"),
            creation_timestamp=metadata.get("creationTimestamp") or "",
            labels=dict(metadata.get("labels") or {}),
            annotations=dict(metadata.get("annotations") or {}),
            status=obj.get("status") or {},
        )


class _TooDeepError(Exception):
    """The spec is nested more deeply than anything that dockerd reads."""


@lru_cache(maxsize=CACHED_SPECS)
def _parsed(text: str) -> DindEnvironmentSpec:
    spec = _decode(text)
    if nesting.CUT in text or nesting.deeper(spec, nesting.MAX_DEPTH):
        raise _TooDeepError
    return DindEnvironmentSpec.model_validate(spec)

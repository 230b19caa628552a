"""A DindEnvironment as the operator holds it: what identifies it, the checked spec, and its raw status.

An object may have been written under an older definition, so reading one can fail. The failure is a sentence for a
condition, never a traceback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from pydantic import ValidationError

from .messages import describe_errors
from .names import NAME_MAX_LENGTH, NAME_PATTERN
from .spec import DindEnvironmentSpec

REMEMBERED = 512
"""Specs that are not parsed again. An environment is looked at several times within seconds, while it starts and when it changes."""
REMEMBERED_BYTES = 16 * 1024
"""A longer one is parsed each time: no tenant fills the operator's memory."""


_encode = json.JSONEncoder(separators=(",", ":")).encode


class InvalidEnvironment(Exception):  # noqa: N818 - it says what the object is
    """The object is no valid environment. `message` names field, value and remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class DindEnvironment:
    """One environment. `status` is as it came from the API server; times are RFC 3339 text."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: DindEnvironmentSpec
    spec_text: str = ""
    """The spec as JSON, by which what is derived from it alone can be found again; empty for a long one."""
    deletion_timestamp: str | None = None
    creation_timestamp: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """Reads an object of the API. Raises InvalidEnvironment."""
        metadata = obj.get("metadata") or {}
        name = metadata.get("name") or ""
        if len(name) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, name):
            raise InvalidEnvironment(
                f"metadata.name {name!r} cannot be used: use at most {NAME_MAX_LENGTH} lower-case letters, digits and "
                "'-', starting with a letter and ending with a letter or digit"
            )
        text = _encode(obj.get("spec") or {})
        try:
            spec = _parsed(text) if len(text) <= REMEMBERED_BYTES else _parsed.__wrapped__(text)
        except ValidationError as error:
            raise InvalidEnvironment(describe_errors(error)) from error
        return cls(
            name=name,
            namespace=metadata.get("namespace") or "",
            uid=metadata.get("uid") or "",
            generation=metadata.get("generation") or 0,
            spec=spec,
            spec_text=text if len(text) <= REMEMBERED_BYTES else "",
            deletion_timestamp=metadata.get("deletionTimestamp"),
            creation_timestamp=metadata.get("creationTimestamp") or "",
            labels=dict(metadata.get("labels") or {}),
            annotations=dict(metadata.get("annotations") or {}),
            status=obj.get("status") or {},
        )


@lru_cache(maxsize=REMEMBERED)
def _parsed(text: str) -> DindEnvironmentSpec:
    return DindEnvironmentSpec.model_validate(json.loads(text))

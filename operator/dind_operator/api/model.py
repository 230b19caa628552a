"""The base of all models of the API: camelCase in JSON, immutable, unknown fields are rejected."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Strict
from pydantic.alias_generators import to_camel

# As in the API server: text and booleans are not numbers.
WholeNumber = Annotated[int, Strict()]
TrueOrFalse = Annotated[bool, Strict()]


class ApiModel(BaseModel):
    """The base of all models. Fields can be set by their Python names and by their JSON names (camelCase)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=False,
    )

    def to_dict(self) -> dict[str, Any]:
        """The JSON of a manifest: camelCase, plain types, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

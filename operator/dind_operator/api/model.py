"""The base of every model of the API: camelCase on the wire, immutable in memory, nothing unknown let through."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Strict
from pydantic.alias_generators import to_camel

# As the API server reads it: neither text nor true is a number.
WholeNumber = Annotated[int, Strict()]


class ApiModel(BaseModel):
    """A part of the API. Field names are Python's here and Kubernetes' (camelCase) in JSON; both are accepted."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=False,
    )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form as it stands in a manifest: camelCase, plain types, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

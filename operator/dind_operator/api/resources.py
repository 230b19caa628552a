"""Resources of the daemon with its nested containers, and the part that is reserved for the daemon."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .cel_rules import KEY_MAX_LENGTH, amount, both_amounts, keys, positive, rule, validations, value_rule
from .model import ApiModel
from .quantity import Quantity, parse_quantity

RESOURCE_NAME_PATTERN: Final = (
    r"^(cpu|memory|ephemeral-storage|hugepages-[A-Za-z0-9.]+|"
    r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$"
)
_NAMES: Final = keys(
    RESOURCE_NAME_PATTERN,
    "must be a known resource: use cpu, memory, ephemeral-storage, hugepages-<size>, or an extended resource with "
    "its domain, such as example.com/device",
)
ResourceName = Annotated[str, StringConstraints(min_length=1, max_length=KEY_MAX_LENGTH, pattern=RESOURCE_NAME_PATTERN)]
CPU: Final = "cpu"
MEMORY: Final = "memory"
# Kubernetes treats a limit of zero as no limit, which users do not expect.
_NEVER_ZERO: Final = (CPU, MEMORY, "ephemeral-storage")

_ZERO: Final = "must be greater than zero: write a quantity above zero, or leave it out"
_ABOVE_REMEDY: Final = "lower the request or raise the limit"
_UNEQUAL: Final = (
    "hugepages and extended resources must be requested in the amount of their limit: set limits, and leave "
    "requests out or make them equal"
)
_HUGEPAGES: Final = "hugepages require cpu or memory: set limits.memory"
RESERVE_NEEDS_LIMIT: Final = (
    "reserve.memory requires a memory limit: set resources.limits.memory, or remove reserve.memory"
)


def _zero_rule(name: str) -> dict[str, str]:
    limit = f"self.limits['{name}']"
    return rule(
        f"!has(self.limits) || !('{name}' in self.limits) || !isQuantity(string({limit})) || {positive(limit)}",
        f"limits.{name}: {_ZERO}",
        path=".limits",
    )


def _above_rule(name: str) -> dict[str, str]:
    request, limit = f"self.requests['{name}']", f"self.limits['{name}']"
    return value_rule(
        f"!has(self.limits) || !has(self.requests) || !('{name}' in self.limits) || !('{name}' in self.requests) || "
        f"!({both_amounts(request, limit)}) || !{amount(request)}.isGreaterThan({amount(limit)})",
        f"'requests.{name} ' + string({request}) + ' must not exceed limits.{name} ' + string({limit}) + ': {_ABOVE_REMEDY}'",
        f"requests.{name} must not exceed limits.{name}: {_ABOVE_REMEDY}",
        path=".requests",
    )


_RULES: Final = validations(
    *(_zero_rule(name) for name in _NEVER_ZERO),
    *(_above_rule(name) for name in _NEVER_ZERO),
    rule(
        "!has(self.requests) || self.requests.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] || "
        "has(self.limits) && k in self.limits && "
        f"(!({both_amounts('self.requests[k]', 'self.limits[k]')}) || "
        f"{amount('self.requests[k]')}.compareTo({amount('self.limits[k]')}) == 0))",
        _UNEQUAL,
        path=".requests",
    ),
    rule(
        "!has(self.limits) || !self.limits.exists(k, k.startsWith('hugepages-')) || 'cpu' in self.limits || "
        "'memory' in self.limits || has(self.requests) && ('cpu' in self.requests || 'memory' in self.requests)",
        _HUGEPAGES,
        path=".limits",
    ),
)


class Resources(ApiModel):
    """Compute resources of the daemon's container, which include those of all nested containers and builds."""

    model_config = ConfigDict(json_schema_extra=_RULES)

    limits: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] | None = Field(
        default=None,
        description="Maximum amounts, by resource name: cpu, memory, ephemeral-storage, `hugepages-<size>` and extended "
        "resources (example.com/device).",
        examples=[{"cpu": "4", "memory": "8Gi"}],
        json_schema_extra=_NAMES,
    )
    requests: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] | None = Field(
        default=None,
        description="Amounts that are reserved on the node, by resource name. A resource without a request defaults to its "
        "limit.",
        examples=[{"cpu": "500m", "memory": "1Gi"}],
        json_schema_extra=_NAMES,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        limits = {name: parse_quantity(value) for name, value in (self.limits or {}).items()}
        requests = {name: parse_quantity(value) for name, value in (self.requests or {}).items()}
        if zero := [name for name in _NEVER_ZERO if limits.get(name) == 0]:
            raise ValueError(f"limits.{zero[0]}: {_ZERO}")
        _check_requests(limits, requests)
        if any(name.startswith("hugepages-") for name in limits) and not {CPU, MEMORY} & (
            limits.keys() | requests.keys()
        ):
            raise ValueError(_HUGEPAGES)
        return self


def _check_requests(limits: dict[str, Decimal], requests: dict[str, Decimal]) -> None:
    for name, value in requests.items():
        if name in limits and value > limits[name]:
            raise ValueError(f"requests.{name} must not exceed limits.{name}: {_ABOVE_REMEDY}")
        if name not in _NEVER_ZERO and value != limits.get(name):
            raise ValueError(_UNEQUAL)


class Reserve(ApiModel):
    """Resources that are reserved for the daemon, so that a build that runs out of memory does not kill it."""

    memory: Quantity | None = Field(
        default=None,
        description="Memory reserved for the daemon. Nested containers together can use `resources.limits.memory` minus "
        "this amount, and minus `storage.emptyDir.sizeLimit` if its medium is Memory. Requires a memory limit. "
        "If omitted, the operator chooses the amount and reports it in `status.reserveMemory`.",
        examples=["256Mi"],
    )

"""The Docker daemon: its image, resources and settings."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from dind_operator.dockerd.flags import OWNED_FLAGS

from .cel_rules import FORBIDDEN, REQUIRED, amount, both_amounts, rule, shape, validations, value_rule
from .daemon_rules import CONFIG_MAX_KEYS, args_errors, args_rules, config_errors, config_schema
from .model import ApiModel
from .quantity import parse_quantity
from .resources import MEMORY, RESERVE_NEEDS_LIMIT, Reserve, Resources


class PullPolicy(StrEnum):
    """When the kubelet pulls the image of the container."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LogLevel(StrEnum):
    """Log level of dockerd."""

    DEBUG = "Debug"
    INFO = "Info"
    WARN = "Warn"
    ERROR = "Error"
    FATAL = "Fatal"


SecretName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
Argument = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00]*$"),
    Field(json_schema_extra=validations(*args_rules())),
]


# Rejects characters that no reference contains. The container runtime checks the rest.
IMAGE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$"


# The format of Docker: registry, lower-case path, tag, digest.
_PART: Final = "[a-z0-9]+([._-]+[a-z0-9]+)*"
REFERENCE_PATTERN: Final = (
    rf"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{{1,5}})?/)?{_PART}(/{_PART})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?$"
)
Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=384, pattern=REFERENCE_PATTERN),
    Field(
        json_schema_extra=shape(
            REFERENCE_PATTERN,
            "must be an image reference: write it as registry/name:tag or name@sha256:…, the name in lower case",
        )
    ),
]


class LocalSecret(ApiModel):
    """Secret in the namespace of the environment."""

    name: SecretName = Field(description="Name of the Secret.", examples=["registry-credentials"])


# The characters that a C library allows in the name of a variable.
VARIABLE_PATTERN: Final = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"
# Variables that the programs of the operator in the container use.
OWNED_PREFIX: Final = "DIND_"
OWNED_VARIABLES: Final = (
    "DOCKER_CERT_PATH",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
)
_OWNED: Final = (
    f"must not be one of the operator's own variables ({OWNED_PREFIX}*, {', '.join(OWNED_VARIABLES)}): remove the entry"
)


PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class DaemonVariable(ApiModel):
    """Environment variable of the container of the daemon."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                f"!self.name.startsWith('{OWNED_PREFIX}') && !(self.name in {list(OWNED_VARIABLES)})",
                f"daemon.env.name {_OWNED}",
                path=".name",
                reason=FORBIDDEN,
            )
        )
    )

    name: str = Field(min_length=1, max_length=128, pattern=VARIABLE_PATTERN, description="Name of the variable.")
    value: str = Field(
        default="",
        max_length=8192,
        description="Value of the variable. It is used as it is: `$(NAME)` is not replaced.",
    )

    @model_validator(mode="after")
    def _free(self) -> Self:
        if self.name.startswith(OWNED_PREFIX) or self.name in OWNED_VARIABLES:
            raise ValueError(f"daemon.env.name {_OWNED}")
        return self


_RESERVE: Final = "self.reserve.memory"
_LIMIT: Final = "self.resources.limits['memory']"
_HAS_RESERVE: Final = "has(self.reserve) && has(self.reserve.memory)"
_HAS_LIMIT: Final = "has(self.resources) && has(self.resources.limits) && 'memory' in self.resources.limits"
_RESERVE_REMEDY: Final = "lower reserve.memory or raise resources.limits.memory, nested containers get the difference"
_RULES: Final = validations(
    rule(f"!({_HAS_RESERVE}) || {_HAS_LIMIT}", RESERVE_NEEDS_LIMIT, path=".resources", reason=REQUIRED),
    value_rule(
        f"!({_HAS_RESERVE} && {_HAS_LIMIT}) || !({both_amounts(_RESERVE, _LIMIT)}) || "
        f"{amount(_RESERVE)}.isLessThan({amount(_LIMIT)})",
        f"'reserve.memory ' + string({_RESERVE}) + ' must be less than resources.limits.memory ' + string({_LIMIT}) + "
        f"': {_RESERVE_REMEDY}'",
        f"reserve.memory must be less than resources.limits.memory: {_RESERVE_REMEDY}",
        path=".reserve.memory",
    ),
)


class DaemonSpec(ApiModel):
    """Settings of the Docker daemon."""

    model_config = ConfigDict(json_schema_extra=_RULES)

    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        pattern=IMAGE_PATTERN,
        description="Image of the daemon's container. It must contain dockerd. Defaults to the image of the "
        "installation; `status.daemonImage` shows which image runs.",
        examples=["docker:28-dind"],
        json_schema_extra=shape(
            IMAGE_PATTERN, "image must be an image reference: write it as registry/name:tag or name@digest"
        ),
    )
    image_pull_policy: PullPolicy | None = Field(
        default=None,
        description="When the kubelet pulls the image of the daemon. Defaults to Always if the image has the tag latest or "
        "no tag, and to IfNotPresent otherwise.",
    )
    image_pull_secrets: Annotated[list[LocalSecret], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets in the environment's namespace that the kubelet uses to pull the images of the pod.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    resources: Resources = Field(
        default_factory=Resources,
        description="Compute resources of the daemon's container, which include those of all nested containers and builds.",
    )
    reserve: Reserve = Field(
        default_factory=Reserve,
        description="Resources that nested containers cannot use, so that they run out of memory before the daemon does.",
    )
    config: Annotated[dict[str, Any], Field(max_length=CONFIG_MAX_KEYS)] = Field(
        default_factory=dict,
        description="Settings of dockerd, as in daemon.json. Keys that the operator sets are rejected; `exec-opts` is "
        "merged with the operator's. If nested containers need more than 10 seconds to stop, set "
        "`shutdown-timeout` to their longest stop timeout plus 5 seconds: the grace period of the pod follows "
        "it.",
        examples=[{"registry-mirrors": ["https://mirror.example.com"]}],
        json_schema_extra=config_schema(),
    )
    args: Annotated[list[Argument], Field(max_length=64)] = Field(
        default_factory=list,
        description="Command-line flags of dockerd, for settings that daemon.json does not support. Write a flag and its "
        "value as `--flag=value`. The operator sets these flags, and they are rejected: "
        f"{', '.join(f'--{flag}' for flag in sorted(OWNED_FLAGS))}.",
        examples=[["--storage-driver=overlay2"]],
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    env: Annotated[list[DaemonVariable], Field(max_length=64)] = Field(
        default_factory=list,
        description="Environment variables of dockerd, such as HTTPS_PROXY and NO_PROXY. They are stored in the pod, so do not use "
        f"them for secrets. Variables that the operator sets are rejected: {OWNED_PREFIX}*, {', '.join(OWNED_VARIABLES)}.",
        examples=[[{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]],
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    preload: Annotated[list[Reference], Field(max_length=32)] = Field(
        default_factory=list,
        description="Images that dockerd pulls before the environment is Ready, with the credentials in "
        "`registry.pullSecret`. Images that are present are not pulled again. If a pull fails, Ready stays "
        "False and the pull is retried. The condition ImagesPreloaded reports the progress.",
        examples=[["golang:1.24", "registry.example.com/base:7"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="Log level of dockerd.")

    @property
    def sets_proxy(self) -> bool:
        """Whether the variables of the daemon include those of a proxy, in upper or lower case."""
        return any(variable.name.upper() in PROXY_VARIABLES for variable in self.env)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*config_errors(self.config), *args_errors(self.args)]
        counted = Counter(variable.name for variable in self.env)
        problems += [
            f"env {name} must be set only once: keep one entry" for name, count in counted.items() if count > 1
        ]
        limit = (self.resources.limits or {}).get(MEMORY)
        reserve = self.reserve.memory
        if reserve is not None and limit is None:
            problems.append(RESERVE_NEEDS_LIMIT)
        elif reserve is not None and limit is not None and parse_quantity(reserve) >= parse_quantity(limit):
            problems.append(
                f"reserve.memory {reserve} must be less than resources.limits.memory {limit}: {_RESERVE_REMEDY}"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

"""Where the nested daemon gets images from: mirrors, registries with their own authority, and the credentials for them.

Every reference is a name in the environment's own namespace. The operator itself reads none of what they name.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .daemon import LocalSecret, SecretName
from .model import ApiModel
from .rules import NO_DEFAULT, REQUIRED, rule, shape, validations

_HOST: Final = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])"
# Neither a user nor a question: what stands in a spec is read by many, and dockerd takes no query.
MIRROR_PATTERN: Final = rf"^https?://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]*)?$"
# The name of a folder too, below which dockerd looks for certificates.
REGISTRY_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$"
INSECURE_PATTERN: Final = rf"^{_HOST}(:[0-9]{{1,5}}|/[0-9]{{1,3}})?$"
KEY_PATTERN: Final = r"^[-._a-zA-Z0-9]+$"
MIRROR_REMEDY: Final = (
    "not a mirror's URL: write it as https://mirror.example.com or http://10.0.0.5:5000, without user and password and "
    "without '?'"
)
_REGISTRY_REMEDY: Final = (
    "not a registry: write it as registry.example.com or registry.example.com:5000, without https://"
)
_INSECURE_REMEDY: Final = "not a registry: write it as registry.example.com:5000 or 10.0.0.0/8, without http://"
_ONE_SOURCE: Final = (
    "an entry of registry.caBundles names exactly one source: set configMapRef or secretRef, and leave the other out"
)

Mirror = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, pattern=MIRROR_PATTERN),
    Field(json_schema_extra=shape(MIRROR_PATTERN, MIRROR_REMEDY)),
]
InsecureRegistry = Annotated[
    str,
    StringConstraints(min_length=1, max_length=261, pattern=INSECURE_PATTERN),
    Field(json_schema_extra=shape(INSECURE_PATTERN, _INSECURE_REMEDY)),
]


class KeyReference(ApiModel):
    """One key of an object in the environment's own namespace."""

    name: SecretName = Field(description="The object's name.", examples=["corporate-ca"])
    key: str = Field(
        default="ca.crt",
        min_length=1,
        max_length=253,
        pattern=KEY_PATTERN,
        description="The key that holds the certificates, as PEM.",
    )


class CaBundle(ApiModel):
    """Whom to trust for one registry."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("has(self.configMapRef) != has(self.secretRef)", _ONE_SOURCE, reason=REQUIRED)
        )
    )

    registry: str = Field(
        min_length=1,
        max_length=253,
        pattern=REGISTRY_PATTERN,
        description="The registry as it stands in the names of images, with its port if it has one; docker.io for "
        "Docker Hub.",
        examples=["registry.example.com:5000"],
        json_schema_extra=shape(REGISTRY_PATTERN, _REGISTRY_REMEDY),
    )
    # Its key has a default: written into the object, that would be a source without a name.
    config_map_ref: KeyReference | None = Field(
        default=None,
        description="A ConfigMap that holds the certificates.",
        json_schema_extra={NO_DEFAULT: True},
    )
    secret_ref: KeyReference | None = Field(
        default=None, description="A Secret that holds the certificates.", json_schema_extra={NO_DEFAULT: True}
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map_ref is None) == (self.secret_ref is None):
            raise ValueError(_ONE_SOURCE)
        return self


class RegistrySpec(ApiModel):
    """Registries, as the nested daemon meets them."""

    mirrors: Annotated[list[Mirror], Field(max_length=8)] = Field(
        default_factory=list,
        description="Where dockerd asks for images of Docker Hub first. Left out, the installation's "
        "(`registry.mirrors` of the chart); which ones are in use is shown in `status.registryMirrors`.",
        examples=[["https://mirror.example.com"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    insecure_registries: Annotated[list[InsecureRegistry], Field(max_length=16)] = Field(
        default_factory=list,
        description="Registries that are asked without TLS, or whose certificate is not looked at; better give "
        "`caBundles`.",
        examples=[["10.20.0.5:5000"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    ca_bundles: Annotated[list[CaBundle], Field(max_length=16)] = Field(
        default_factory=list,
        description="Authorities of registries that no public authority vouches for. A change of what the ConfigMap or "
        "Secret holds is followed without a restart, about a minute later.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["registry"]},
    )
    pull_secret: LocalSecret | None = Field(
        default=None,
        description="A Secret of type kubernetes.io/dockerconfigjson: the credentials of `daemon.preload` and of the "
        "docker CLI in the daemon's container. Several registries go into one Secret. A change is followed without a "
        "restart, about a minute later. Clients of the endpoint bring their own credentials.",
    )

    @model_validator(mode="after")
    def _one_bundle_each(self) -> Self:
        names = [bundle.registry for bundle in self.ca_bundles]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"caBundles names {twice} more than once: put all its certificates into one bundle")
        return self

"""Registries of the daemon: mirrors, certificate authorities and credentials.

References are names in the namespace of the environment. The operator does not read the objects that they name.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .cel_rules import FORBIDDEN, NO_DEFAULT, REQUIRED, rule, shape, validations
from .daemon import LocalSecret, SecretName
from .model import ApiModel

_HOST: Final = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])"
# Without user information and query: many can read a spec, and dockerd accepts no query.
MIRROR_PATTERN: Final = rf"^https?://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]*)?$"
# Also the name of the directory in which dockerd looks for certificates.
REGISTRY_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$"
INSECURE_PATTERN: Final = rf"^{_HOST}(:[0-9]{{1,5}}|/[0-9]{{1,3}})?$"
KEY_PATTERN: Final = r"^[-._a-zA-Z0-9]+$"
MIRROR_REMEDY: Final = (
    "must be the URL of a mirror: write it as https://mirror.example.com or http://10.0.0.5:5000, without user and password and "
    "without '?'"
)
_REGISTRY_REMEDY: Final = (
    "must be a registry: write it as registry.example.com or registry.example.com:5000, without https://"
)
_INSECURE_REMEDY: Final = "must be a registry: write it as registry.example.com:5000 or 10.0.0.0/8, without http://"
_ONE_SOURCE: Final = (
    "an entry of registry.caBundles must have exactly one source: set configMapRef or secretRef, and "
    "leave the other out"
)
_ONE_CA_SOURCE: Final = (
    "caBundle must have exactly one source: set caBundle.configMapRef or caBundle.secretRef, and leave the other out"
)
# Docker Hub, and the hosts of its API, which images are not named by.
_HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HUB_MIRRORS: Final = (
    "registry.mirrorsFor is for registries other than docker.io: write the mirrors of docker.io into registry.mirrors"
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
    """Key of an object in the namespace of the environment."""

    name: SecretName = Field(description="Name of the object.", examples=["corporate-ca"])
    key: str = Field(
        default="ca.crt",
        min_length=1,
        max_length=253,
        pattern=KEY_PATTERN,
        description="Key that contains the certificates, in PEM format.",
    )


class CaBundle(ApiModel):
    """Certificate authority of one registry."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("has(self.configMapRef) != has(self.secretRef)", _ONE_SOURCE, reason=REQUIRED)
        )
    )

    registry: str = Field(
        min_length=1,
        max_length=253,
        pattern=REGISTRY_PATTERN,
        description="Registry host as in image names, with its port if it has one. Use docker.io for Docker Hub.",
        examples=["registry.example.com:5000"],
        json_schema_extra=shape(REGISTRY_PATTERN, _REGISTRY_REMEDY),
    )
    # The key has a default. In the object it would be a source without a name.
    config_map_ref: KeyReference | None = Field(
        default=None,
        description="Key of a ConfigMap that contains the certificates.",
        json_schema_extra={NO_DEFAULT: True},
    )
    secret_ref: KeyReference | None = Field(
        default=None,
        description="Key of a Secret that contains the certificates.",
        json_schema_extra={NO_DEFAULT: True},
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map_ref is None) == (self.secret_ref is None):
            raise ValueError(_ONE_SOURCE)
        return self


class EnvironmentCaBundle(ApiModel):
    """Certificate authorities that the whole environment trusts."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("has(self.configMapRef) != has(self.secretRef)", _ONE_CA_SOURCE, reason=REQUIRED)
        )
    )

    config_map_ref: KeyReference | None = Field(
        default=None,
        description="Key of a ConfigMap that contains the certificates.",
        json_schema_extra={NO_DEFAULT: True},
    )
    secret_ref: KeyReference | None = Field(
        default=None,
        description="Key of a Secret that contains the certificates.",
        json_schema_extra={NO_DEFAULT: True},
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map_ref is None) == (self.secret_ref is None):
            raise ValueError(_ONE_CA_SOURCE)
        return self


class RegistryMirrors(ApiModel):
    """Mirrors of one registry."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(f"!(self.registry in {list(_HUB)})", _HUB_MIRRORS, path=".registry", reason=FORBIDDEN)
        )
    )

    registry: str = Field(
        min_length=1,
        max_length=253,
        pattern=REGISTRY_PATTERN,
        description="Registry host as in image names, with its port if it has one.",
        examples=["ghcr.io"],
        json_schema_extra=shape(REGISTRY_PATTERN, _REGISTRY_REMEDY),
    )
    mirrors: Annotated[list[Mirror], Field(min_length=1, max_length=8)] = Field(
        description="Mirrors of the registry, in the order in which they are tried. The registry itself is tried last.",
        examples=[["https://mirror.example.com/ghcr"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    @model_validator(mode="after")
    def _another_registry(self) -> Self:
        if self.registry in _HUB:
            raise ValueError(_HUB_MIRRORS)
        return self


class RegistrySpec(ApiModel):
    """Registries of the Docker daemon."""

    mirrors: Annotated[list[Mirror], Field(max_length=8)] = Field(
        default_factory=list,
        description="Mirrors of Docker Hub, for pulls and builds. Defaults to those of the installation "
        "(`registry.mirrors` of the chart). `status.registryMirrors` reports the mirrors in use.",
        examples=[["https://mirror.example.com"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    mirrors_for: Annotated[list[RegistryMirrors], Field(max_length=16)] = Field(
        default_factory=list,
        description="Mirrors of other registries, for pulls and builds. Docker 28 or later with the containerd image "
        "store is required, which is the default of Docker 29. With another daemon, the environment does not become ready.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["registry"]},
    )
    insecure_registries: Annotated[list[InsecureRegistry], Field(max_length=16)] = Field(
        default_factory=list,
        description="Registries that are accessed without TLS or without verifying their certificate. Prefer `caBundles`.",
        examples=[["10.20.0.5:5000"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    ca_bundles: Annotated[list[CaBundle], Field(max_length=16)] = Field(
        default_factory=list,
        description="Certificate authorities of registries whose certificate is not issued by a public one. Changes of the "
        "ConfigMap or Secret take effect without a restart after about a minute.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["registry"]},
    )
    pull_secret: LocalSecret | None = Field(
        default=None,
        description="Secret of type kubernetes.io/dockerconfigjson with the credentials for `daemon.preload` and for the "
        "Docker CLI in the daemon's container. One Secret can contain several registries. Changes take effect "
        "without a restart after about a minute. Clients of the endpoint use their own credentials.",
    )

    @model_validator(mode="after")
    def _one_bundle_each(self) -> Self:
        names = [bundle.registry for bundle in self.ca_bundles]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"caBundles names {twice} more than once: put all its certificates into one bundle")
        mirrored = [entry.registry for entry in self.mirrors_for]
        if twice := next((name for name in mirrored if mirrored.count(name) > 1), None):
            raise ValueError(f"mirrorsFor names {twice} more than once: put all its mirrors into one entry")
        return self

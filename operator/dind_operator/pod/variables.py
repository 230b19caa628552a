"""Shared paths and environment variables of the containers."""

from typing import Any

SOCKET = "/run/dind/docker.sock"
DATA_ROOT = "/var/lib/docker"
INTENT_VARIABLE = "DIND_INTENT_HASH"
"""The hash is in the environment of a container, which is immutable. The annotation only shows it."""
BUILD_VARIABLE = "DIND_BUILD_HASH"
CREDENTIALS_VARIABLE = "DIND_CREDENTIALS"
"""Fingerprints and times of the certificates in the server Secret when the pod was created. They are not secret, and they are in
neither hash, because a renewal changes neither the spec nor the operator."""


def variable(name: str, value: str | dict[str, Any]) -> dict[str, Any]:
    """An entry of ``env``, from a value or a ``valueFrom``."""
    return {"name": name, "value": escaped(value)} if isinstance(value, str) else {"name": name, "valueFrom": value}


def escaped(value: str) -> str:
    """Kubernetes expands ``$(NAME)`` in arguments and variables, and replaces ``$$`` with ``$``."""
    return value.replace("$", "$$")

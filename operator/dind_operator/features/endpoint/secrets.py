"""The three Secrets of the endpoint, with the file for ``docker context import``."""

import base64
import io
import json
import tarfile
from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.endpoint import service as endpoint
from dind_operator.features.endpoint.service import CA, CERTIFICATE, KEY
from dind_operator.features.endpoint.x509 import Issued

CONTEXT = "context.tar"
CLIENT_KEYS = (CA, CERTIFICATE, KEY, "DOCKER_HOST", "DOCKER_TLS_VERIFY", CONTEXT)
"""The keys of the client Secret."""


def ca_secret(environment: DindEnvironment, authority: Issued) -> dict[str, Any]:
    """The Secret of the certificate authority. No pod mounts it."""
    data = {CA: authority.certificate, KEY: authority.key}
    return _secret(environment, endpoint.ca_secret_name(environment.name), data)


def server_secret(environment: DindEnvironment, authority: bytes, server: Issued) -> dict[str, Any]:
    """The Secret of the daemon. ``authority`` is the certificate of the certificate authority (PEM), never its key."""
    data = {CA: authority, CERTIFICATE: server.certificate, KEY: server.key}
    return _secret(environment, endpoint.server_secret_name(environment.name), data)


def client_secret(
    environment: DindEnvironment, authority: bytes, client: Issued, subdomain: str | None
) -> dict[str, Any]:
    """The Secret of clients, with everything that a client needs."""
    host = endpoint.url(environment.name, environment.namespace, subdomain)
    data = client_data(host, f"{environment.namespace}-{environment.name}", authority, client)
    return _secret(environment, endpoint.client_secret_name(environment.name), data)


def client_data(host: str, context: str, authority: bytes, client: Issued) -> dict[str, bytes]:
    """The content of the client Secret. Equal arguments give equal content, so that it can be compared."""
    return {
        CA: authority,
        CERTIFICATE: client.certificate,
        KEY: client.key,
        "DOCKER_HOST": host.encode(),
        "DOCKER_TLS_VERIFY": b"1",
        CONTEXT: context_archive(host, context, authority, client),
    }


def context_archive(host: str, context: str, authority: bytes, client: Issued) -> bytes:
    """An archive as ``docker context export`` writes it: meta.json and the TLS files of the endpoint ``docker``."""
    meta = {
        "Name": context,
        "Metadata": {"Description": f"DindEnvironment {context}"},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}},
    }
    files = {
        "meta.json": json.dumps(meta, sort_keys=True).encode(),
        f"tls/docker/{CA}": authority,
        f"tls/docker/{CERTIFICATE}": client.certificate,
        f"tls/docker/{KEY}": client.key,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def decoded(secret: dict[str, Any]) -> dict[str, bytes]:
    """The data of a Secret, without invalid base64."""
    found: dict[str, bytes] = {}
    for name, text in (secret.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except (ValueError, TypeError):
            continue
    return found


def _secret(environment: DindEnvironment, name: str, data: dict[str, bytes]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": endpoint.metadata(environment, name),
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }

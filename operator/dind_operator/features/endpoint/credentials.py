"""Metadata of an endpoint's certificates: read from Secrets, stored in status and in the pod. It contains no secrets."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from dind_operator.api.conditions import format_time
from dind_operator.api.timestamps import parse_time
from dind_operator.features.endpoint.service import client_secret_name
from dind_operator.features.endpoint.x509 import CLOCK_SKEW, Facts
from dind_operator.pod.variables import CREDENTIALS_VARIABLE
from dind_operator.state import pod_status as pods

REMEMBERED = 1024
"""Size of the cache of parsed variables."""


@dataclass(frozen=True, slots=True)
class Running:
    """The certificate of a daemon: the fingerprints of its certificate authority and its own, and its expiry."""

    authority: str
    certificate: str
    not_after: datetime

    @property
    def text(self) -> str:
        """The value of the pod's variable."""
        return f"{self.authority}/{self.certificate}/{format_time(self.not_after)}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content of the three Secrets. ``issued`` is the time at which the certificate of the daemon was issued."""

    generation: int
    server: Running
    issued: datetime
    client_not_after: datetime

    @classmethod
    def of(cls, authority: Facts, server: Facts, client: Facts) -> "Credentials":
        """The credentials from the three certificates."""
        return cls(
            generation=authority.generation or 0,
            server=Running(authority.fingerprint, server.fingerprint, server.not_after),
            issued=server.not_before + CLOCK_SKEW,
            client_not_after=client.not_after,
        )

    def status(self, name: str) -> dict[str, Any]:
        """``status.credentials`` of the environment ``name``."""
        return {
            "clientSecretName": client_secret_name(name),
            "generation": self.generation,
            "authority": self.server.authority,
            "serverCertificate": self.server.certificate,
            "serverNotBefore": format_time(self.issued),
            "serverNotAfter": format_time(self.server.not_after),
            "clientNotAfter": format_time(self.client_not_after),
        }


def reported_credentials(status: dict[str, Any]) -> Credentials | None:
    """The credentials in the status of an environment; None if they are absent or invalid."""
    stored = status.get("credentials") or {}
    issued, server, client = (
        parse_time(stored.get(name)) for name in ("serverNotBefore", "serverNotAfter", "clientNotAfter")
    )
    if issued is None or server is None or client is None or not isinstance(stored.get("generation"), int):
        return None
    running = Running(str(stored.get("authority")), str(stored.get("serverCertificate")), server)
    return Credentials(stored["generation"], running, issued, client)


def made_with(pod: pods.Pod) -> Running | None:
    """The certificate in the server Secret when the pod was created; None for a pod without an endpoint."""
    return _running(pods.variable(pod, CREDENTIALS_VARIABLE) or "")


@lru_cache(maxsize=REMEMBERED)
def _running(text: str) -> Running | None:
    authority, _, rest = text.partition("/")
    certificate, _, end = rest.partition("/")
    not_after = parse_time(end)
    return Running(authority, certificate, not_after) if not_after is not None else None

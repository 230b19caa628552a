"""What is known of an endpoint's certificates: read from Secrets, told in status, written into the pod. Nothing secret."""

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
"""Texts of pods' variables that are not parsed again."""


@dataclass(frozen=True, slots=True)
class Running:
    """The certificate that a daemon runs with: the fingerprints of its authority and its own, and when it ends."""

    authority: str
    certificate: str
    not_after: datetime

    @property
    def text(self) -> str:
        """For the pod's variable."""
        return f"{self.authority}/{self.certificate}/{format_time(self.not_after)}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the three Secrets hold. ``issued`` is when the daemon's certificate was."""

    generation: int
    server: Running
    issued: datetime
    client_not_after: datetime

    @classmethod
    def of(cls, authority: Facts, server: Facts, client: Facts) -> "Credentials":
        """From the three certificates."""
        return cls(
            generation=authority.generation or 0,
            server=Running(authority.fingerprint, server.fingerprint, server.not_after),
            issued=server.not_before + CLOCK_SKEW,
            client_not_after=client.not_after,
        )

    def told(self, name: str) -> dict[str, Any]:
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
    """What an environment's status says of them; None if it says nothing, or what nobody can read."""
    told = status.get("credentials") or {}
    issued, server, client = (
        parse_time(told.get(name)) for name in ("serverNotBefore", "serverNotAfter", "clientNotAfter")
    )
    if issued is None or server is None or client is None or not isinstance(told.get("generation"), int):
        return None
    running = Running(str(told.get("authority")), str(told.get("serverCertificate")), server)
    return Credentials(told["generation"], running, issued, client)


def made_with(pod: pods.Pod) -> Running | None:
    """What the server Secret held when the pod was made; None for a pod without an endpoint."""
    return _running(pods.variable(pod, CREDENTIALS_VARIABLE) or "")


@lru_cache(maxsize=REMEMBERED)
def _running(text: str) -> Running | None:
    authority, _, rest = text.partition("/")
    certificate, _, end = rest.partition("/")
    not_after = parse_time(end)
    return Running(authority, certificate, not_after) if not_after is not None else None

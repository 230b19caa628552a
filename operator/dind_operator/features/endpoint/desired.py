"""The objects of the endpoint: the writes from the observed to the desired state. Pure functions, except for the keys.

An object with the same name and another owner is reported and never written. The functions are idempotent: after the writes are
applied, there are none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.endpoint import network_policy
from dind_operator.features.endpoint import secrets as credentials
from dind_operator.features.endpoint import service as endpoint
from dind_operator.features.endpoint import x509 as certificates
from dind_operator.features.endpoint.credentials import Credentials
from dind_operator.features.endpoint.x509 import Facts, Issued, Key
from dind_operator.state.cluster import ObjectKind
from dind_operator.state.owned_objects import Foreign, Remove, Write, foreign, labelled, write

NewKey = Callable[[], Key]


@dataclass(frozen=True, slots=True)
class Found:
    """The four objects as read from the API server. They contain private keys and are excluded from ``repr``."""

    ca: dict[str, Any] | None = field(default=None, repr=False)
    server: dict[str, Any] | None = field(default=None, repr=False)
    client: dict[str, Any] | None = field(default=None, repr=False)
    policy: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Desired:
    """Writes in any order, and the credentials in the Secrets after them (None: no usable credentials)."""

    writes: tuple[Write, ...] = ()
    credentials: Credentials | None = None


PARTS: tuple[tuple[str, ObjectKind, Callable[[str], str]], ...] = (
    ("ca", ObjectKind.SECRET, endpoint.ca_secret_name),
    ("server", ObjectKind.SECRET, endpoint.server_secret_name),
    ("client", ObjectKind.SECRET, endpoint.client_secret_name),
    ("policy", ObjectKind.NETWORK_POLICY, str),
)
"""Field of ``Found``, kind, and the function from the name of the environment to the name of the object."""


def _expected(environment: DindEnvironment) -> dict[str, dict[str, Any]]:
    """The keys and selectors of the objects, by field of ``Found``."""
    return {
        "ca": {"data": dict.fromkeys((endpoint.CA, endpoint.KEY))},
        "server": {"data": dict.fromkeys(endpoint.SERVER_FILES)},
        "client": {"data": dict.fromkeys(credentials.CLIENT_KEYS)},
        "policy": {"spec": {"podSelector": {"matchLabels": endpoint.selector(environment.name)}}},
    }


def _foreign(environment: DindEnvironment, found: Found) -> dict[str, Foreign]:
    """The objects that are not those of the operator, by field of ``Found``."""
    expected = _expected(environment)
    every = {part: foreign(environment, kind, getattr(found, part), expected[part]) for part, kind, _ in PARTS}
    return {part: item for part, item in every.items() if item is not None}


def conflicts(environment: DindEnvironment, found: Found) -> list[Foreign]:
    """Foreign objects with the name of a desired object, and a foreign NetworkPolicy of that name for the pod: it may open it."""
    wanted = needed(environment)
    selector = _expected(environment)["policy"]["spec"]["podSelector"]

    def matters(part: str, item: Foreign) -> bool:
        return part in wanted or (part == "policy" and (item.manifest.get("spec") or {}).get("podSelector") == selector)

    return [item for part, item in _foreign(environment, found).items() if matters(part, item)]


def needed(environment: DindEnvironment) -> set[str]:
    """The desired objects, by field of ``Found``."""
    secrets = {"ca", "server", "client"} if environment.spec.endpoint.enabled else set()
    return secrets | ({"policy"} if network_policy.opening(environment) is not None else set())


def desired_state(
    environment: DindEnvironment, found: Found, now: datetime, new_key: NewKey, subdomain: str | None
) -> Desired:
    """The writes. Foreign objects are not written; if one of the Secrets is foreign, none of them is.

    ``subdomain``: of the pod.
    """
    secrets = Desired()
    others = conflicts(environment, found)
    if environment.spec.endpoint.enabled and not any(item.kind is ObjectKind.SECRET for item in others):
        secrets = _secrets(environment, found, now, new_key, subdomain)
    kind, policy, seen = ObjectKind.NETWORK_POLICY, network_policy.opening(environment), found.policy
    blocked = any(item.kind is kind for item in others)
    if policy is None or blocked or (seen is not None and same_policy(seen, policy)):
        return secrets
    return Desired((*secrets.writes, write(kind, seen, policy)), secrets.credentials)


def removals(environment: DindEnvironment, found: Found, *, in_use: bool) -> tuple[Remove, ...]:
    """The deletions of what is no longer needed. ``in_use``: a pod still mounts the server Secret. It could not restart without the
    Secret."""
    kept = needed(environment) | _foreign(environment, found).keys() | ({"server"} if in_use else set())
    return tuple(
        Remove(kind, manifest)
        for part, kind, _ in PARTS
        if part not in kept and (manifest := getattr(found, part)) is not None
    )


def _secrets(
    environment: DindEnvironment, found: Found, now: datetime, new_key: NewKey, subdomain: str | None
) -> Desired:
    name, generation = environment.name, environment.spec.endpoint.credentials_generation
    writes: list[Write] = []

    authority = _present(found.ca, certificate=endpoint.CA)
    if authority is None or not _authority_holds(authority, generation, now):
        authority = certificates.issue_authority(environment.uid, name, generation, now, new_key())
        writes.append(write(ObjectKind.SECRET, found.ca, credentials.ca_secret(environment, authority)))
    server = _present(found.server)
    hosts = endpoint.server_names(environment, subdomain)
    if server is None or not _server_holds(hosts, found.server, server, authority, now):
        server = certificates.issue_server(authority, name, hosts, now, new_key())
        desired = credentials.server_secret(environment, authority.certificate, server)
        writes.append(write(ObjectKind.SECRET, found.server, desired))
    client = _present(found.client)

    def client_secret(issued: Issued) -> dict[str, Any]:
        return credentials.client_secret(environment, authority.certificate, issued, subdomain)

    if client is None or not _client_holds(client_secret(client), found.client, client, authority, now):
        client = certificates.issue_client(authority, f"{name} client", now, new_key())
        desired = client_secret(client)
        writes.append(write(ObjectKind.SECRET, found.client, desired))
    return Desired(tuple(writes), Credentials.of(*(_facts(issued) for issued in (authority, server, client))))


def _facts(issued: Issued) -> Facts:
    read = certificates.facts(issued.certificate)
    assert read is not None, "the certificate was parsed before, or issued here"
    return read


def _present(secret: dict[str, Any] | None, certificate: str = endpoint.CERTIFICATE) -> Issued | None:
    data = credentials.decoded(secret or {})
    if certificate not in data or endpoint.KEY not in data:
        return None
    return Issued(data[certificate], data[endpoint.KEY])


def _authority_holds(authority: Issued, generation: int, now: datetime) -> bool:
    read = certificates.facts(authority.certificate)
    # A certificate must not expire after its certificate authority.
    lasts = read is not None and now < read.not_after - certificates.CERTIFICATE_LIFE
    return (
        read is not None
        and lasts
        and read.generation == generation
        and certificates.belongs(authority, authority.certificate)
    )


def _lasts(issued: Issued, now: datetime) -> bool:
    read = certificates.facts(issued.certificate)
    return read is not None and now < read.not_after - certificates.RENEWED_BEFORE


def _server_holds(
    hosts: tuple[str, ...], seen: dict[str, Any] | None, server: Issued, authority: Issued, now: datetime
) -> bool:
    read = certificates.facts(server.certificate)
    names = {certificates.normal_name(text) for text in hosts}
    same_authority = credentials.decoded(seen or {}).get(endpoint.CA) == authority.certificate
    return (
        read is not None
        and same_authority
        and read.names == names
        and _lasts(server, now)
        and certificates.belongs(server, authority.certificate)
    )


def _client_holds(
    desired: dict[str, Any], seen: dict[str, Any] | None, client: Issued, authority: Issued, now: datetime
) -> bool:
    return (
        (seen or {}).get("data") == desired["data"]
        and _lasts(client, now)
        and certificates.belongs(client, authority.certificate)
    )


def same_policy(seen: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether a NetworkPolicy has the desired labels and rules."""
    return labelled(seen, manifest) and bool(_plain(seen.get("spec")) == _plain(manifest["spec"]))


def _plain(value: Any) -> Any:
    """The value without empty fields that the API server omits. An empty selector is kept, because it selects everything."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(item) for key, item in value.items()}
    return {
        key: item for key, item in kept.items() if item not in (None, []) and not (key == "matchLabels" and not item)
    }

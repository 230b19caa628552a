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
from dind_operator.state.owned_objects import Remove, Write, labelled, own, write

NewKey = Callable[[], Key]


@dataclass(frozen=True, slots=True)
class Found:
    """The five objects as read from the API server. They contain private keys and are excluded from ``repr``."""

    ca: dict[str, Any] | None = field(default=None, repr=False)
    server: dict[str, Any] | None = field(default=None, repr=False)
    client: dict[str, Any] | None = field(default=None, repr=False)
    service: dict[str, Any] | None = field(default=None, repr=False)
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
    ("service", ObjectKind.SERVICE, str),
    ("policy", ObjectKind.NETWORK_POLICY, str),
)
"""Field of ``Found``, kind, and the function from the name of the environment to the name of the object."""


def conflicts(environment: DindEnvironment, found: Found) -> list[tuple[ObjectKind, dict[str, Any]]]:
    """Objects with the name of a desired object and another owner."""
    needed = _needed(environment)
    return [
        (kind, manifest)
        for part, kind, _ in PARTS
        if part in needed
        if (manifest := getattr(found, part)) is not None and not own(environment, manifest)
    ]


def _needed(environment: DindEnvironment) -> set[str]:
    """The desired objects, by field of ``Found``. Without an endpoint, published ports may need some."""
    needed = {"ca", "server", "client"} if environment.spec.endpoint.enabled else set()
    needed |= {"policy"} if network_policy.needed(environment) else set()
    return needed | ({"service"} if endpoint.service(environment) is not None else set())


def desired_state(
    environment: DindEnvironment,
    found: Found,
    now: datetime,
    new_key: NewKey,
    metadata_addresses: tuple[str, ...] = (),
) -> Desired:
    """The writes. Objects of other owners are not written; if one of the Secrets has another owner, none of them is.

    ``metadata_addresses``: further ranges that the pod cannot connect to.
    """
    secrets = Desired()
    foreign = any(kind is ObjectKind.SECRET for kind, _ in conflicts(environment, found))
    if environment.spec.endpoint.enabled and not foreign:
        secrets = _secrets(environment, found, now, new_key)
    needs_policy = network_policy.needed(environment)
    policy = network_policy.network_policy(environment, metadata_addresses) if needs_policy else None
    pairs = (
        (ObjectKind.SERVICE, found.service, endpoint.service(environment), _same_service),
        (ObjectKind.NETWORK_POLICY, found.policy, policy, _same_policy),
    )
    others = [
        write(kind, seen, manifest)
        for kind, seen, manifest, same in pairs
        if manifest is not None
        if seen is None or (own(environment, seen) and not (same(seen, manifest) and labelled(seen, manifest)))
    ]
    return Desired((*secrets.writes, *others), secrets.credentials)


def removals(environment: DindEnvironment, found: Found, *, in_use: bool) -> tuple[Remove, ...]:
    """The deletions for a disabled endpoint. ``in_use``: a pod still mounts the server Secret and listens. It could not restart
    without the Secret, and would be reachable by all clients without the NetworkPolicy."""
    kept = _needed(environment) | ({"server", "policy"} if in_use else set())
    return tuple(
        Remove(kind, manifest)
        for part, kind, _ in PARTS
        if part not in kept and own(environment, manifest := getattr(found, part))
    )


def _secrets(environment: DindEnvironment, found: Found, now: datetime, new_key: NewKey) -> Desired:
    name, generation = environment.name, environment.spec.endpoint.credentials_generation
    writes: list[Write] = []

    authority = _present(found.ca, certificate=credentials.CA)
    if authority is None or not _authority_holds(authority, generation, now):
        authority = certificates.issue_authority(environment.uid, name, generation, now, new_key())
        writes.append(write(ObjectKind.SECRET, found.ca, credentials.ca_secret(environment, authority)))
    server = _present(found.server)
    if server is None or not _server_holds(environment, found.server, server, authority, now):
        server = certificates.issue_server(authority, name, endpoint.server_names(environment), now, new_key())
        desired = credentials.server_secret(environment, authority.certificate, server)
        writes.append(write(ObjectKind.SECRET, found.server, desired))
    client = _present(found.client)
    if client is None or not _client_holds(environment, found.client, client, authority, now):
        client = certificates.issue_client(authority, f"{name} client", now, new_key())
        desired = credentials.client_secret(environment, authority.certificate, client)
        writes.append(write(ObjectKind.SECRET, found.client, desired))
    return Desired(tuple(writes), Credentials.of(*(_facts(issued) for issued in (authority, server, client))))


def _facts(issued: Issued) -> Facts:
    read = certificates.facts(issued.certificate)
    assert read is not None, "the certificate was parsed before, or issued here"
    return read


def _present(secret: dict[str, Any] | None, certificate: str = credentials.CERTIFICATE) -> Issued | None:
    data = credentials.decoded(secret or {})
    if certificate not in data or credentials.KEY not in data:
        return None
    return Issued(data[certificate], data[credentials.KEY])


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
    environment: DindEnvironment, seen: dict[str, Any] | None, server: Issued, authority: Issued, now: datetime
) -> bool:
    read = certificates.facts(server.certificate)
    names = {certificates.normal_name(text) for text in endpoint.server_names(environment)}
    same_authority = credentials.decoded(seen or {}).get(credentials.CA) == authority.certificate
    return (
        read is not None
        and same_authority
        and read.names == names
        and _lasts(server, now)
        and certificates.belongs(server, authority.certificate)
    )


def _client_holds(
    environment: DindEnvironment, seen: dict[str, Any] | None, client: Issued, authority: Issued, now: datetime
) -> bool:
    whole = credentials.client_secret(environment, authority.certificate, client)["data"]
    return (
        (seen or {}).get("data") == whole
        and _lasts(client, now)
        and certificates.belongs(client, authority.certificate)
    )


def _same_service(seen: dict[str, Any], manifest: dict[str, Any]) -> bool:
    found, expected = seen.get("spec") or {}, manifest["spec"]
    ports = [{key: port.get(key) for key in expected["ports"][0]} for port in found.get("ports") or []]
    pairs = [(found.get(key), expected[key]) for key in ("type", "selector")]
    # External addresses would admit traffic from outside the cluster.
    pairs += [(ports, expected["ports"]), (found.get("externalIPs") or [], [])]
    return all(one == other for one, other in pairs)


def _same_policy(seen: dict[str, Any], manifest: dict[str, Any]) -> bool:
    return bool(_plain(seen.get("spec")) == _plain(manifest["spec"]))


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

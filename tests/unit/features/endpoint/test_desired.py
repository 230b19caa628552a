"""From the objects that were found to the writes: nothing twice, nothing of anybody else's, new keys only where needed."""

from __future__ import annotations

import base64
import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import NOW, UID, model

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.endpoint import secrets as credentials
from dind_operator.features.endpoint import x509 as certificates
from dind_operator.features.endpoint.desired import PARTS, Desired, Found, Write, conflicts, desired_state, removals
from dind_operator.state.cluster import ObjectKind

OFF: dict[str, Any] = {"endpoint": {"enabled": False}}
ALL = {"builder-ca", "builder-server", "builder-client", "builder"}
HOMES: dict[str, Any] = {"allowFrom": [{"podSelector": {}}]}


def goal(fields: dict[str, Any], found: Found, after: timedelta = timedelta()) -> Desired:
    return desired_state(model({"endpoint": fields}), found, NOW + after, certificates.new_key, "dind")


def stored(found: Found, result: Desired) -> Found:
    """What the API server then has, with what it adds."""
    parts = {(kind, name("builder")): part for part, kind, name in PARTS}
    fields: dict[str, Any] = {}
    for number, write in enumerate(result.writes):
        manifest = copy.deepcopy(write.manifest)
        manifest["metadata"] |= {"uid": f"u{number}", "resourceVersion": str(number)}
        fields[parts[write.kind, manifest["metadata"]["name"]]] = manifest
    return replace(found, **fields)


def made(fields: dict[str, Any] | None = None) -> Found:
    return stored(Found(), goal(fields or {}, Found()))


def names(result: Desired) -> list[str]:
    return [f"{write.kind}/{write.manifest['metadata']['name']}" for write in result.writes]


def test_from_nothing_all_are_made() -> None:
    result = goal({}, Found())
    assert names(result) == ["secrets/builder-ca", "secrets/builder-server", "secrets/builder-client"]
    assert names(goal(HOMES, Found())) == [*names(result), "networkpolicies/builder"]
    assert all(write.seen is None for write in result.writes)
    assert result.credentials is not None
    assert result.credentials.generation == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"extraNames": ["b.example.com", "fd00:0::0010".replace("0::0010", "0::10"), "192.0.2.1"]},
        {"credentialsGeneration": 9},
        {
            "allowFrom": [
                {"podSelector": {}, "namespaceSelector": {"matchLabels": {}}},
                {"ipBlock": {"cidr": "10.0.0.0/8"}},
            ]
        },
    ],
)
def test_applied_twice_the_second_time_writes_nothing(fields: dict[str, Any]) -> None:
    found = made(fields)
    again = goal(fields, found)
    assert again.writes == ()
    assert again.credentials == goal(fields, found, timedelta(days=1)).credentials


@pytest.mark.parametrize("gone", ["client", "server"])
def test_a_deleted_secret_is_issued_by_the_same_authority(gone: str) -> None:
    found = made()
    before = goal({}, found).credentials
    result = goal({}, replace(found, **{gone: None}))
    assert names(result) == [f"secrets/builder-{gone}"]
    assert before is not None
    assert result.credentials is not None
    assert result.credentials.server.authority == before.server.authority
    assert (result.credentials.server == before.server) == (gone == "client")


def test_without_the_authority_all_is_new() -> None:
    found = made()
    result = goal({}, replace(found, ca=None))
    assert names(result) == ["secrets/builder-ca", "secrets/builder-server", "secrets/builder-client"]
    assert goal({}, stored(replace(found, ca=None), result)).writes == ()


def test_another_generation_is_another_authority() -> None:
    found = made()
    before = goal({}, found).credentials
    result = goal({"credentialsGeneration": 2}, found)
    assert names(result) == ["secrets/builder-ca", "secrets/builder-server", "secrets/builder-client"]
    assert result.credentials is not None
    assert before is not None
    assert result.credentials.generation == 2
    assert result.credentials.server.authority != before.server.authority
    for write in result.writes:
        assert write.manifest["metadata"]["uid"] == write.seen["metadata"]["uid"]  # type: ignore[index]
        assert write.manifest["metadata"]["resourceVersion"] == write.seen["metadata"]["resourceVersion"]  # type: ignore[index]


def test_other_names_are_another_servers_certificate() -> None:
    result = goal({"extraNames": ["builder.example.com"]}, made())
    assert names(result) == ["secrets/builder-server"]


def test_certificates_are_renewed_in_time_and_the_authority_lives_on() -> None:
    found = made()
    late = certificates.CERTIFICATE_LIFE - certificates.RENEWED_BEFORE
    assert goal({}, found, late - timedelta(minutes=1)).writes == ()
    result = goal({}, found, late)
    assert names(result) == ["secrets/builder-server", "secrets/builder-client"]
    assert goal({}, stored(found, result), late + timedelta(days=1)).writes == ()


def test_an_authority_that_would_end_before_what_it_signs_is_replaced() -> None:
    late = certificates.AUTHORITY_LIFE - certificates.CERTIFICATE_LIFE
    assert "secrets/builder-ca" not in names(goal({}, made(), late - timedelta(days=1)))
    assert "secrets/builder-ca" in names(goal({}, made(), late))


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        *(("ca", key, b"broken") for key in ("ca.pem", "key.pem")),
        *(("server", key, b"broken") for key in ("ca.pem", "cert.pem", "key.pem")),
        *(("client", key, b"broken") for key in ("ca.pem", "cert.pem", "key.pem", "context.tar")),
        ("client", "DOCKER_HOST", b"tcp://elsewhere:2376"),
        ("client", "DOCKER_TLS_VERIFY", b""),
    ],
)
def test_a_damaged_secret_is_mended(part: str, key: str, value: bytes) -> None:
    found = made()
    getattr(found, part)["data"][key] = base64.b64encode(value).decode()
    result = goal({}, found)
    assert f"secrets/builder-{part}" in names(result)
    after = stored(found, result)
    assert goal({}, after).writes == ()
    assert credentials.decoded(getattr(after, part)).get(key) != value


def test_what_another_authority_signed_is_replaced() -> None:
    found, other = made(), made()
    assert names(goal({}, replace(found, server=other.server))) == ["secrets/builder-server"]
    assert names(goal({}, replace(found, client=other.client))) == ["secrets/builder-client"]


def test_a_policy_that_was_opened_is_closed_again() -> None:
    found = made(HOMES)
    assert found.policy is not None
    found.policy["spec"]["ingress"] = [{}]
    (write,) = goal(HOMES, found).writes
    assert write.kind is ObjectKind.NETWORK_POLICY
    assert write.manifest["spec"]["ingress"][0]["from"] == HOMES["allowFrom"]


def test_a_policy_that_opens_nothing_goes() -> None:
    found = made(HOMES)
    assert goal({}, found).writes == ()
    assert [remove.seen for remove in removals(model(), found, in_use=True)] == [found.policy]


def test_the_names_of_a_pod_are_in_its_certificate_and_in_the_clients_files() -> None:
    found = made()
    other = desired_state(model(), found, NOW, certificates.new_key, "daemons")
    assert names(other) == ["secrets/builder-server", "secrets/builder-client"]
    client = credentials.decoded(other.writes[1].manifest)
    assert client["DOCKER_HOST"] == b"tcp://builder.daemons.team-a.svc:2376"


def test_who_is_let_in_changes_the_policy_alone() -> None:
    result = goal({"allowFrom": [{"podSelector": {}}]}, made())
    assert names(result) == ["networkpolicies/builder"]


def test_labels_that_somebody_took_off_are_put_back_beside_theirs() -> None:
    found = made(HOMES)
    assert found.policy is not None
    found.policy["metadata"]["labels"] = {"mine": "too"}
    (write,) = goal(HOMES, found).writes
    assert write.manifest["metadata"]["labels"]["mine"] == "too"
    assert write.manifest["metadata"]["labels"]["dind.dev/environment"] == "builder"


@pytest.mark.parametrize("part", [part for part, _, _ in PARTS])
@pytest.mark.parametrize(
    "owner", [[], [{"kind": "DindEnvironment", "name": "builder", "uid": "earlier", "controller": True}]]
)
def test_a_stranger_is_named_and_never_written(part: str, owner: list[dict[str, Any]]) -> None:
    found = made(HOMES)
    getattr(found, part)["metadata"]["ownerReferences"] = owner
    getattr(found, part).pop("data", None)
    is_named_and_left(found, part)


@pytest.mark.parametrize("part", ["ca", "server", "client"])
def test_somebody_elses_key_in_a_secret_is_named_and_kept(part: str) -> None:
    found = made(HOMES)
    getattr(found, part)["data"]["more.pem"] = base64.b64encode(b"of somebody's").decode()
    assert "contains keys that the operator did not write: more.pem" in is_named_and_left(found, part)


def test_a_policy_that_selects_other_pods_is_named_and_kept() -> None:
    found = made(HOMES)
    assert found.policy is not None
    found.policy["spec"]["podSelector"] = {"matchLabels": {"app": "theirs"}}
    assert "selects other pods" in is_named_and_left(found, "policy")
    assert found.policy not in [remove.seen for remove in removals(model(), found, in_use=False)]


def is_named_and_left(found: Found, part: str) -> str:
    """Why it is not the operator's."""
    fields = {"endpoint": HOMES | {"credentialsGeneration": 2}}
    (conflict,) = conflicts(model(fields), found)
    assert conflict.manifest is getattr(found, part)
    result = goal(fields["endpoint"], found)
    assert not [write for write in result.writes if write.seen is conflict.manifest]
    if part in ("ca", "server", "client"):
        assert result.credentials is None, "a part of three is of no use"
        assert not [write for write in result.writes if write.kind is ObjectKind.SECRET]
    assert conflict.manifest not in [remove.seen for remove in removals(model(OFF), found, in_use=False)]
    return conflict.why


def test_turned_off_all_of_ours_goes_and_nothing_else() -> None:
    found = made(HOMES)
    assert {str(remove.seen["metadata"]["name"]) for remove in removals(model(OFF), found, in_use=False)} == ALL
    assert found.client is not None
    found.client["metadata"]["ownerReferences"] = []
    assert found.client not in [remove.seen for remove in removals(model(OFF), found, in_use=False)]
    assert removals(model(OFF), Found(), in_use=False) == ()


def test_turned_off_what_published_ports_ask_for_stays() -> None:
    environment = model({**OFF, "publishedPorts": HOMES})
    result = desired_state(environment, Found(), NOW, certificates.new_key, "dind")
    assert names(result) == ["networkpolicies/builder"]
    assert result.credentials is None
    assert desired_state(environment, stored(Found(), result), NOW, certificates.new_key, "dind").writes == ()
    gone = {str(remove.seen["metadata"]["name"]) for remove in removals(environment, made(HOMES), in_use=False)}
    assert gone == ALL - {"builder"}


def test_turned_off_a_stranger_is_in_the_way_of_what_is_wanted_alone() -> None:
    found = made(HOMES)
    for part, _, _ in PARTS:
        getattr(found, part)["metadata"]["ownerReferences"] = []
    assert [item.manifest for item in conflicts(model(OFF), found)] == [found.policy], "it opens the pod"
    other = copy.deepcopy(found.policy)
    assert other is not None
    other["spec"]["podSelector"] = {"matchLabels": {"app": "theirs"}}
    assert conflicts(model(OFF), replace(found, policy=other)) == []
    (conflict,) = conflicts(model({**OFF, "publishedPorts": HOMES}), found)
    assert conflict.kind is ObjectKind.NETWORK_POLICY


def test_while_a_pod_listens_it_keeps_its_certificate() -> None:
    found = made(HOMES)
    left = [str(remove.seen["metadata"]["name"]) for remove in removals(model(OFF), found, in_use=True)]
    assert set(left) == ALL - {"builder-server"}


def test_no_key_shows_in_a_text() -> None:
    found = made()
    assert found.ca is not None
    secret = found.ca["data"]["key.pem"]
    for thing in (
        found,
        goal({}, Found()),
        Write(ObjectKind.SECRET, found.ca, found.ca),
        *removals(model(OFF), found, in_use=False),
    ):
        assert secret not in repr(thing)
        assert "key.pem" not in repr(thing)


def test_an_environment_made_again_has_none_of_the_earlier_ones() -> None:
    """The earlier one's objects wait for the garbage collector; they are strangers by their owner's uid."""
    later = DindEnvironment.from_dict(
        {"metadata": {"name": "builder", "namespace": "team-a", "uid": "another", "generation": 1}, "spec": {}}
    )
    assert later.uid != UID
    assert len(conflicts(later, made())) == 3
    assert desired_state(later, made(), NOW, certificates.new_key, "dind").writes == ()

"""The three Secrets: each has what it needs and no more, and the archive is what `docker context import` takes."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from datetime import UTC, datetime
from typing import Any

from tests.unit.objects import UID, model

from dind_operator.features.endpoint import secrets as credentials
from dind_operator.features.endpoint.x509 import issue_authority, issue_client, issue_server, new_key

NOW = datetime(2025, 6, 1, tzinfo=UTC)
AUTHORITY = issue_authority(UID, "builder", 1, NOW, new_key())
SERVER = issue_server(AUTHORITY, "builder", ["builder"], NOW, new_key())
CLIENT = issue_client(AUTHORITY, "builder client", NOW, new_key())


def secrets() -> dict[str, dict[str, Any]]:
    return {
        "ca": credentials.ca_secret(model(), AUTHORITY),
        "server": credentials.server_secret(model(), AUTHORITY.certificate, SERVER),
        "client": credentials.client_secret(model(), AUTHORITY.certificate, CLIENT, "dind"),
    }


def test_each_has_its_name_and_its_owner() -> None:
    for suffix, secret in secrets().items():
        assert secret["metadata"]["name"] == f"builder-{suffix}"
        assert secret["metadata"]["namespace"] == "team-a"
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [UID]
        assert secret["metadata"]["labels"]["dind.dev/environment"] == "builder"


def test_the_authoritys_key_is_in_its_own_secret_alone() -> None:
    found = {name: b"".join(credentials.decoded(secret).values()) for name, secret in secrets().items()}
    assert [name for name, content in found.items() if AUTHORITY.key in content] == ["ca"]
    assert [name for name, content in found.items() if SERVER.key in content] == ["server"]
    assert AUTHORITY.certificate in found["client"]


def test_the_clients_has_all_that_a_client_needs() -> None:
    data = credentials.decoded(secrets()["client"])
    assert data.keys() == {"ca.pem", "cert.pem", "key.pem", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "context.tar"}
    assert data["DOCKER_HOST"] == b"tcp://builder.dind.team-a.svc:2376"
    assert data["DOCKER_TLS_VERIFY"] == b"1"


def test_the_archive_has_the_files_of_a_context() -> None:
    data = credentials.decoded(secrets()["client"])
    with tarfile.open(fileobj=io.BytesIO(data["context.tar"])) as archive:
        found = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    meta = json.loads(found.pop("meta.json"))
    assert meta["Endpoints"] == {"docker": {"Host": "tcp://builder.dind.team-a.svc:2376", "SkipTLSVerify": False}}
    assert meta["Name"] == "team-a-builder"
    assert found == {f"tls/docker/{name}": data[name] for name in ("ca.pem", "cert.pem", "key.pem")}


def test_the_same_credentials_give_the_same_bytes() -> None:
    """They are compared with what is stored, and nothing is written that is not different."""
    assert secrets() == secrets()


def test_what_is_no_base64_is_left_out() -> None:
    good = base64.b64encode(b"x").decode()
    assert credentials.decoded({"data": {"a": good, "b": "%%%", "c": None}}) == {"a": b"x"}
    assert credentials.decoded({}) == {}

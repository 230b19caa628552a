"""Certificates as TLS itself judges them: a real handshake, with who may come in and who may not."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dind_operator.features.endpoint import x509 as certificates
from dind_operator.features.endpoint.x509 import (
    Issued,
    belongs,
    facts,
    issue_authority,
    issue_client,
    issue_server,
    new_key,
)

NOW = datetime.now(UTC)
NAMES = ["builder", "builder.team-a.svc", "localhost", "127.0.0.1", "fd00::10", "*.example.com"]


def authority(generation: int = 1, now: datetime = NOW, name: str = "builder") -> Issued:
    return issue_authority("11111111-0000-4000-8000-000000000001", name, generation, now, new_key())


def server(by: Issued, now: datetime = NOW) -> Issued:
    return issue_server(by, "builder", NAMES, now, new_key())


def client(by: Issued, now: datetime = NOW) -> Issued:
    return issue_client(by, "builder client", now, new_key())


def files(folder: Path, name: str, issued: Issued) -> tuple[str, str]:
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    for path, content in zip(paths, (issued.certificate, issued.key), strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1])


def shake_hands(folder: Path, by: Issued, listening: Issued, calling: Issued | None, called: str = "localhost") -> None:
    """As dockerd with tlsverify and a docker CLI: both prove themselves. Raises ssl.SSLError where one of them will not."""
    listener = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener.load_cert_chain(*files(folder, "server", listening))
    listener.load_verify_locations(cadata=by.certificate.decode())
    listener.verify_mode = ssl.CERT_REQUIRED
    caller = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    caller.load_verify_locations(cadata=by.certificate.decode())
    if calling is not None:
        caller.load_cert_chain(*files(folder, "client", calling))
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    refused: list[ssl.SSLError] = []

    def listen() -> None:
        try:
            with listener.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(b"hello")
        except ssl.SSLError as error:
            refused.append(error)
            theirs.close()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        with caller.wrap_socket(ours, server_hostname=called) as connection:
            # With TLS 1.3 a client learns only now whether it was accepted.
            received = connection.recv(5)
    except (OSError, ssl.SSLError) as error:
        thread.join()
        raise refused[0] if refused else error from None
    thread.join()
    if refused:
        raise refused[0]
    assert received == b"hello"


@pytest.mark.parametrize(
    "name", ["localhost", "builder", "builder.team-a.svc", "127.0.0.1", "fd00::10", "a.example.com"]
)
def test_a_client_of_the_authority_comes_in_by_every_name(tmp_path: Path, name: str) -> None:
    by = authority()
    shake_hands(tmp_path, by, server(by), client(by), name)


@pytest.mark.parametrize("name", ["10.0.0.7", "builder.team-b.svc", "example.com"])
def test_by_no_other_name(tmp_path: Path, name: str) -> None:
    by = authority()
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.certificate|mismatch|not valid for"):
        shake_hands(tmp_path, by, server(by), client(by), name)


def test_without_a_certificate_nobody_comes_in(tmp_path: Path) -> None:
    by = authority()
    with pytest.raises(ssl.SSLError, match=r"did not return a certificate|certificate required"):
        shake_hands(tmp_path, by, server(by), None)


def test_with_an_expired_one_nobody_comes_in(tmp_path: Path) -> None:
    by = authority(now=NOW - timedelta(days=400))
    with pytest.raises(ssl.SSLError, match="expired"):
        shake_hands(tmp_path, by, server(by), client(by, NOW - certificates.CERTIFICATE_LIFE - timedelta(hours=1)))


@pytest.mark.parametrize("other", [authority(name="other"), authority(generation=2)], ids=["environment", "generation"])
def test_with_one_of_another_authority_nobody_comes_in(tmp_path: Path, other: Issued) -> None:
    by = authority()
    with pytest.raises(ssl.SSLError, match=r"verify failed|unknown ca"):
        shake_hands(tmp_path, by, server(by), client(other))


def test_a_client_cannot_pose_as_the_daemon_nor_the_daemon_as_a_client(tmp_path: Path) -> None:
    by = authority()
    with pytest.raises(ssl.SSLError):
        shake_hands(tmp_path, by, client(by), client(by))
    with pytest.raises(ssl.SSLError):
        shake_hands(tmp_path, by, server(by), server(by))


def test_what_a_certificate_says_of_itself() -> None:
    by = authority(generation=7)
    found = facts(by.certificate)
    assert found is not None
    assert found.generation == 7
    assert len(found.fingerprint) == 16
    assert found.not_after - found.not_before == certificates.AUTHORITY_LIFE + certificates.CLOCK_SKEW
    of_server = facts(server(by).certificate)
    assert of_server is not None
    assert of_server.names == {certificates.normal_name(name) for name in NAMES}
    assert of_server.generation is None
    assert facts(b"nonsense") is None


def test_it_is_valid_a_little_before_it_was_made() -> None:
    found = facts(server(authority()).certificate)
    assert found is not None
    assert found.not_before <= NOW - certificates.CLOCK_SKEW + timedelta(seconds=1)


def test_addresses_are_compared_in_their_shortest_form() -> None:
    assert certificates.normal_name("fd00:0:0::10") == "fd00::10"
    assert certificates.normal_name("builder") == "builder"


def test_belongs() -> None:
    by, other = authority(), authority()
    issued = server(by)
    assert belongs(issued, by.certificate)
    assert belongs(by, by.certificate)
    assert not belongs(issued, other.certificate), "another authority of the same name"
    assert not belongs(Issued(issued.certificate, server(by).key), by.certificate), "another's key"
    assert not belongs(Issued(b"x", b"y"), by.certificate)
    assert not belongs(Issued(issued.certificate, b"y"), by.certificate)


def test_no_key_shows_in_a_text() -> None:
    assert "PRIVATE" not in repr(authority())


def test_a_long_name_fits() -> None:
    """X.520 allows 64 characters; an environment's name has 56 at most."""
    by = issue_authority("u" * 80, "a" * 56, 2147483647, NOW, new_key())
    assert belongs(issue_client(by, f"{'a' * 56} client", NOW, new_key()), by.certificate)

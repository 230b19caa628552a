"""Certificates of an environment's endpoint: a certificate authority, and the certificates of the daemon and of clients.

Pure functions, except for ``new_key``. Times are arguments, in UTC.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey

AUTHORITY_LIFE = timedelta(days=3650)
"""Longer than an environment exists. Revocation creates a new certificate authority and does not wait for the expiry."""
CERTIFICATE_LIFE = timedelta(days=365)
"""Limits the use of a leaked key to a year."""
RENEWED_BEFORE = timedelta(days=120)
"""A certificate is renewed so long before its expiry, about a third of its validity, in which the pod may be replaced anyway."""
CLOCK_SKEW = timedelta(minutes=5)
"""Certificates are valid from so long before their creation, for clients whose clock is behind."""

_GENERATION = "credentials "
"""The prefix of the generation in the organizational unit of the certificate authority. An annotation could be edited."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key as PEM. The key is excluded from ``repr``."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """Metadata of a certificate, without secrets. Only a certificate authority has a ``generation``."""

    fingerprint: str
    not_before: datetime
    not_after: datetime
    names: frozenset[str]
    generation: int | None


def new_key() -> Key:
    """A new key on P-256, which is fast to generate and supported by all TLS libraries."""
    return ec.generate_private_key(ec.SECP256R1())


def issue_authority(owner: str, name: str, generation: int, now: datetime, key: Key) -> Issued:
    """The certificate authority of the environment ``name`` with the uid ``owner``, for one ``credentialsGeneration``."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner[:64]),  # the limit in X.520
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{_GENERATION}{generation}"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} CA"),
        ]
    )
    certificate = (
        _builder(subject, subject, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _issued(certificate, key)


def issue_server(authority: Issued, name: str, names: Iterable[str], now: datetime, key: Key) -> Issued:
    """The daemon's certificate. ``names`` are DNS names and IP addresses."""
    extension = x509.SubjectAlternativeName([_general_name(text) for text in sorted(set(names))])
    return _signed(authority, name, now, key, ExtendedKeyUsageOID.SERVER_AUTH, extension)


def issue_client(authority: Issued, name: str, now: datetime, key: Key) -> Issued:
    """A client certificate, which gives root access to the daemon."""
    return _signed(authority, name, now, key, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def facts(certificate: bytes) -> Facts | None:
    """The metadata of a certificate (PEM); None if it is invalid."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return None
    return Facts(
        fingerprint=read.fingerprint(hashes.SHA256()).hex()[:16],
        not_before=read.not_valid_before_utc,
        not_after=read.not_valid_after_utc,
        names=_names_of(read),
        generation=_generation_of(read),
    )


def belongs(issued: Issued, authority: bytes) -> bool:
    """Whether the certificate authority (PEM) signed the certificate, and the key belongs to the certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(issued.certificate)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
        key = serialization.load_pem_private_key(issued.key, password=None)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return isinstance(key, Key) and key.public_key() == certificate.public_key()


def _signed(
    authority: Issued,
    name: str,
    now: datetime,
    key: Key,
    usage: x509.ObjectIdentifier,
    names: x509.ExtensionType | None,
) -> Issued:
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key, password=None)
    assert isinstance(issuer_key, Key), "certificate authorities are created by issue_authority"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _builder(subject, issuer.subject, key, now, CERTIFICATE_LIFE, signer=issuer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _issued(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, life: timedelta, *, signer: Key | None = None
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key((signer or key).public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def normal_name(text: str) -> str:
    """A name as it is read from a certificate: addresses in their shortest form."""
    return str(_general_name(text).value)


def _names_of(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(str(name.value) for name in extension.value)


def _generation_of(certificate: x509.Certificate) -> int | None:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME):
        text = str(attribute.value).removeprefix(_GENERATION)
        if text.isascii() and text.isdigit():
            return int(text)
    return None


def _issued(certificate: x509.Certificate, key: Key) -> Issued:
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            # A format that dockerd, the docker CLI, docker-py and openssl read.
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )

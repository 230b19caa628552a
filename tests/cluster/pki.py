"""Certificates and kubeconfigs of a cluster that lives for a day: made with the openssl command, nothing else.

Every server gets an identity of its own, as on a real cluster: what a role lacks is then missed in tests too.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.progress import ClusterError

# Longer than any cluster of this kind is left running, shorter than a leaked key should be of use.
_DAYS = "60"


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(
            f"`openssl {arguments[0]}` failed: {done.stderr.strip()}. Reinstall the Debian package openssl."
        )


class Authority:
    """A certificate authority in a folder. Asking again for what is there does nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    def _key(self, name: str) -> Path:
        key = self.folder / f"{name}.key"
        if not key.exists():
            # P-256: made in milliseconds. ecparam, not genpkey: the API server reads the public half of its token
            # key out of this file only in the older format.
            _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key))
            key.chmod(0o600)
        return key

    def prepare(self) -> None:
        """Makes the authority itself and the key that signs service account tokens."""
        self._key("sa")
        key = self._key("ca")
        if not self.certificate.exists():
            _openssl(
                *("req", "-x509", "-new", "-key", str(key), "-out", str(self.certificate), "-days", _DAYS),
                *("-subj", "/CN=dind-cluster-ca", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            )

    def issue(self, name: str, subject: str, alternatives: Sequence[str] = ()) -> tuple[Path, Path]:
        """A certificate for client and, with `alternatives` (DNS:…, IP:…), server use. Returns it and its key."""
        certificate, key = self.folder / f"{name}.crt", self._key(name)
        if certificate.exists():
            return certificate, key
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        usage = "extendedKeyUsage=clientAuth" + (",serverAuth" if alternatives else "")
        names = f"\nsubjectAltName={','.join(alternatives)}" if alternatives else ""
        extensions.write_text(f"{usage}{names}\nkeyUsage=critical,digitalSignature\n")
        _openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key("ca"))),
            *("-CAcreateserial", "-out", str(certificate), "-days", _DAYS, "-extfile", str(extensions)),
        )
        request.unlink()
        extensions.unlink()
        return certificate, key


def kubeconfig(server: str, ca: Path, certificate: Path, key: Path, context: str) -> str:
    """A kubeconfig that carries its credentials, so that the file can be handed around. JSON is YAML."""
    encoded = {path: _base64(path) for path in (ca, certificate, key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": context, "cluster": {"server": server, "certificate-authority-data": encoded[ca]}},
            ],
            "users": [
                {
                    "name": context,
                    "user": {"client-certificate-data": encoded[certificate], "client-key-data": encoded[key]},
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        },
        indent=1,
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, in one step."""
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)

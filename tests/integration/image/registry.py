"""A registry with one image for every name, over http and TLS, and an HTTP proxy, for tests: `python registry.py ADDRESS FOLDER`.

A program of its own, because it must run in another network namespace than the test. FOLDER has tls.pem and gets `requests`, with
a line for each request: scheme, method and path. The proxy answers a GET itself, and opens no connection.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import ssl
import sys
import tarfile
import threading
from pathlib import Path

PLAIN, TLS, PROXY = 5000, 5443, 3128
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def _layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    return buffer.getvalue()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _blobs() -> tuple[bytes, dict[str, bytes]]:
    """The manifest of the image, and what it refers to."""
    raw = _layer()
    layer = gzip.compress(raw, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(raw)]},
            "history": [{"created_by": "tests"}],
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": _digest(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(layer),
                "digest": _digest(layer),
            }
        ],
    }
    text = json.dumps(manifest).encode()
    return text, {_digest(blob): blob for blob in (text, config, layer)}


MANIFEST_TEXT, BLOBS = _blobs()


class Handler(http.server.BaseHTTPRequestHandler):
    """The API of a registry below a path, as far as a pull needs it."""

    protocol_version = "HTTP/1.1"
    # With a status line for what is no HTTP, as other servers: from it a client that tries TLS learns better.
    default_request_version = "HTTP/1.1"
    scheme = "http"
    below = "/v2/"
    record: Path

    def do_GET(self) -> None:
        self._record()
        path = self.path.partition("?")[0]
        found = path.startswith(self.below) and "/missing/" not in path
        if found and path == self.below:
            self._answer(b"{}", "application/json")
        elif found and "/manifests/" in path:
            self._answer(MANIFEST_TEXT, MANIFEST)
        elif found and (blob := BLOBS.get(path.rpartition("/")[2])) is not None:
            self._answer(blob, "application/octet-stream")
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _record(self) -> None:
        with self.record.open("a") as file:
            file.write(f"{self.scheme} {self.command} {self.path.partition('?')[0]}\n")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Tls(Handler):
    """The same over TLS, and nowhere else than below another path."""

    scheme = "https"
    below = "/team/hub/v2/"


class Proxy(Handler):
    """It answers for everybody, and connects to nobody."""

    scheme = "proxy"

    def do_GET(self) -> None:
        self._record()
        self._answer(b"proxied", "text/plain")

    def do_CONNECT(self) -> None:
        self._record()
        self.send_error(403)


def main(address: str, folder: str) -> None:
    Handler.record = Path(folder) / "requests"
    Handler.record.touch()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder) / "tls.pem")
    for port, handler in ((PLAIN, Handler), (TLS, Tls), (PROXY, Proxy)):
        server = http.server.ThreadingHTTPServer((address, port), handler)
        if handler is Tls:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever).start()
    print("ready", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

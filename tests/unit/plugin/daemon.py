"""A server that answers `/_ping` to clients with a certificate of its authority: what stands behind a forwarded port."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dind_operator.features.endpoint.x509 import Issued, issue_authority, issue_client, issue_server, new_key


def authority() -> Issued:
    return issue_authority("u1", "one", 1, datetime.now(UTC), new_key())


def client_secret(issuer: Issued) -> dict[str, Any]:
    """The Secret as the API has it."""
    client = issue_client(issuer, "one", datetime.now(UTC), new_key())
    files = {"ca.pem": issuer.certificate, "cert.pem": client.certificate, "key.pem": client.key}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {"kind": "Secret", "metadata": {"name": "one-client"}, "data": data}


@contextmanager
def serving(folder: Path, issuer: Issued) -> Iterator[int]:
    """The port of one that serves."""
    own = issue_server(issuer, "one", ["localhost", "127.0.0.1"], datetime.now(UTC), new_key())
    for name, content in (("ca", issuer.certificate), ("cert", own.certificate), ("key", own.key)):
        (folder / f"server-{name}.pem").write_bytes(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_ping" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "server-ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()

"""An image archive served as a registry serves it, for the guest's containerd to pull from.

`ctr images import` hands every byte through a socket in small pieces: an image of 80 MiB took 52 s under emulation.
What containerd fetches itself took 22 s, and 2 s where it had the layers: most of ours have the same first ones.

Run among the node's processes: `python -m tests.cluster.vm.blobs ADDRESS ARCHIVE` prints its port, then the names in
the archive, a line each; it serves until its standard input ends.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class Images:
    """What is in an archive as `docker save` writes it: manifests by image name, and blobs by digest."""

    archive: Path
    manifests: dict[str, bytes] = field(default_factory=dict)
    # (where in the archive, how long)
    blobs: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, archive: Path) -> Images:
        """Raises KeyError, ValueError or tarfile.TarError for what is not such an archive."""
        images = cls(archive)
        with tarfile.open(archive, "r:") as tar:
            for entry in json.loads(_content(tar, "manifest.json")):
                manifest = json.dumps(images._manifest(tar, entry)).encode()
                for name in entry["RepoTags"] or ():
                    images.manifests[name] = manifest
        return images

    def _manifest(self, tar: tarfile.TarFile, entry: dict[str, Any]) -> dict[str, Any]:
        config = _content(tar, entry["Config"])
        digest = _digest(config)
        described = {"mediaType": _CONFIG, "digest": digest, "size": self._place(tar, entry["Config"], digest)}
        # A layer that is not compressed is known by the same digest in both places: no need to compute it.
        names = zip(json.loads(config)["rootfs"]["diff_ids"], entry["Layers"], strict=True)
        layers = [{"mediaType": _LAYER, "digest": d, "size": self._place(tar, file, d)} for d, file in names]
        return {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": layers}

    def _place(self, tar: tarfile.TarFile, name: str, digest: str) -> int:
        member = tar.getmember(name)
        while member.islnk() or member.issym():
            parent = Path(name).parent if member.issym() else Path()
            member = tar.getmember(str(_flat(parent / member.linkname)))
        self.blobs[digest] = (member.offset_data, member.size)
        return member.size


def _flat(path: Path) -> Path:
    """The path without `..`."""
    return Path("/", path).resolve().relative_to("/")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def server(address: str, images: Images) -> ThreadingHTTPServer:
    """A server on a free port of `address`: the reading half of the OCI distribution protocol."""
    manifests = {_digest(manifest): manifest for manifest in images.manifests.values()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            head, _, reference = self.path.rpartition("/")
            name, _, kind = head.removeprefix("/v2/").rpartition("/")
            if kind == "manifests" and (
                found := manifests.get(reference) or images.manifests.get(f"{name}:{reference}")
            ):
                self._head(len(found), _MANIFEST, _digest(found))
                if self.command == "GET":
                    self.wfile.write(found)
            elif kind == "blobs" and reference in images.blobs:
                offset, size = images.blobs[reference]
                self._head(size, "application/octet-stream", reference)
                if self.command == "GET":
                    self._send(offset, size)
            else:
                self.send_response(200 if self.path == "/v2/" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def _head(self, size: int, kind: str, digest: str) -> None:
            self.send_response(200)
            for name, value in (("Content-Length", size), ("Content-Type", kind), ("Docker-Content-Digest", digest)):
                self.send_header(name, str(value))
            self.end_headers()

        def _send(self, offset: int, size: int) -> None:
            with images.archive.open("rb") as source:
                source.seek(offset)
                while size > 0:
                    piece = source.read(min(size, 1 << 20))
                    self.wfile.write(piece)
                    size -= len(piece)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    return ThreadingHTTPServer((address, 0), Handler)


def main(address: str, archive: str) -> None:
    images = Images.read(Path(archive))
    serving = server(address, images)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    print(serving.server_address[1], *images.manifests, "", sep="\n", flush=True)
    # The end of whoever started this is the end of it.
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

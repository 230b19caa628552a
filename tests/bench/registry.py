"""A real registry beside the cluster, holding an image of 2 GiB: what a nested daemon pulls while it is measured."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.controlplane import free_ports
from tests.cluster.process import wait_until
from tests.cluster.progress import ClusterError, step

PROGRAM = "/usr/bin/docker-registry"
LAYERS = 8
LAYER_BYTES = 256 << 20
FILES = 64
"""In each layer, of 4 MiB: like the libraries of a large toolchain."""
_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def ensure() -> None:
    """Installs Debian's docker-registry if it is not there."""
    if Path(PROGRAM).exists():
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with step("Installing the Debian package docker-registry", usual=15):
        command = ["apt-get", "-q", "install", "--yes", "--no-install-recommends", "docker-registry"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if not Path(PROGRAM).exists():
        raise ClusterError(f"docker-registry cannot be installed: {done.stderr.strip()[-500:]} Run `apt-get update`.")


@contextmanager
def serving(address: str, layers: int = LAYERS) -> Iterator[str]:
    """`ADDRESS:PORT/large:1` while the block runs. `address` is one that pods reach."""
    ensure()
    port = free_ports(1)[0]
    folder = Path(tempfile.mkdtemp(prefix="dind-registry-"))
    config = folder / "config.yml"
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": f"{address}:{port}"},
            }
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", PROGRAM, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://{address}:{port}"
        if not wait_until(lambda: _answers(url), 20):
            raise ClusterError(f"docker-registry does not respond on {url}: {(folder / 'log').read_text()[-500:]}")
        with step(f"Creating an image of {layers * LAYER_BYTES >> 20} MiB", usual=10 * layers):
            _push_image(url, layers)
        yield f"{address}:{port}/large:1"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with suppress(OSError):
        return _open(urllib.request.Request(f"{url}/v2/")).status == 200
    return False


def _open(request: urllib.request.Request):  # type: ignore[no-untyped-def]
    # No proxy: the address is on this machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120)


def _push_image(url: str, count: int) -> None:
    digests, descriptors = [], []
    for number in range(count):
        plain = _layer(number)
        digests.append(_digest(plain))
        # The content is random and does not shrink: as much is pulled as is unpacked.
        descriptors.append(_push(url, gzip.compress(plain, 1), "application/vnd.docker.image.rootfs.diff.tar.gzip"))
    image = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": digests}}
    config = _push(url, json.dumps(image).encode(), "application/vnd.docker.container.image.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": _TYPE, "config": config, "layers": descriptors}
    put = urllib.request.Request(f"{url}/v2/large/manifests/1", json.dumps(manifest).encode(), method="PUT")
    put.add_header("Content-Type", _TYPE)
    _open(put)


def _push(url: str, blob: bytes, kind: str) -> dict[str, object]:
    start = _open(urllib.request.Request(f"{url}/v2/large/blobs/uploads/", b"", method="POST"))
    location = start.headers["Location"]
    joint = "&" if "?" in location else "?"
    put = urllib.request.Request(f"{location}{joint}digest={_digest(blob)}", blob, method="PUT")
    put.add_header("Content-Type", "application/octet-stream")
    _open(put)
    return {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}


def _layer(number: int) -> bytes:
    """A tar archive of random files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for file in range(FILES):
            entry = tarfile.TarInfo(f"large/{number}/{file}")
            entry.size = LAYER_BYTES // FILES
            archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return out.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

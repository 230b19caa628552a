"""An image archive as a registry: manifests by name and digest, layers out of the middle of a file."""

from __future__ import annotations

import hashlib
import json
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import archive
from tests.cluster.archive import Entry
from tests.cluster.vm import blobs

NAME = "dind.local/thing:1"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"content" * 1000)
    target = tmp_path / "image.tar"
    archive.image_of_files(target, NAME, [Entry("/file", tmp_path / "file")], ["/file"])
    return target


@pytest.fixture
def url(saved: Path) -> Iterator[str]:
    serving = blobs.server("127.0.0.1", blobs.Images.read(saved))
    # shutdown() returns after the next poll, which by default is half a second away.
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}/v2"
    serving.shutdown()
    thread.join()
    serving.server_close()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
        assert int(answer.headers["Content-Length"]) == len(content)
        return content


def test_everything_a_manifest_names_is_served_with_its_digest(url: str) -> None:
    text = get(f"{url}/dind.local/thing/manifests/1")
    assert get(f"{url}/dind.local/thing/manifests/sha256:{hashlib.sha256(text).hexdigest()}") == text
    manifest = json.loads(text)
    assert len(manifest["layers"]) == 1
    for described in (manifest["config"], *manifest["layers"]):
        blob = get(f"{url}/dind.local/thing/blobs/{described['digest']}")
        assert len(blob) == described["size"]
        assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == described["digest"]


@pytest.mark.parametrize("path", ["dind.local/thing/manifests/2", "dind.local/thing/blobs/sha256:00", "x"])
def test_what_is_not_there_is_not_found(url: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{url}/{path}")


def test_another_kind_of_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    with tarfile.open(tmp_path / "oci.tar", "w") as tar:
        tar.add(tmp_path / "index.json", "index.json")
    with pytest.raises(KeyError):
        blobs.Images.read(tmp_path / "oci.tar")

"""Writes images that need no builder: a few files as one layer, in the format `docker load` and containerd take.

The same inputs give the same bytes, so an image's digest changes only when its content does.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_DATE = "1970-01-01T00:00:00Z"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Entry:
    """One thing in a layer: a copy of the file `source`, a symbolic link to `link`, or else a folder."""

    path: str
    source: Path | None = None
    link: str = ""
    mode: int = 0o755


def architecture() -> str:
    """This machine's architecture in the words images use."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_layer(target: Path, entries: Iterable[Entry]) -> None:
    """A layer of `entries`: owned by root, dated 1970, in the order given."""
    with tarfile.open(target, "w") as layer:
        for entry in entries:
            info = tarfile.TarInfo(entry.path.lstrip("/"))
            info.mode = entry.mode
            if entry.source is not None:
                info.size = entry.source.stat().st_size
                with entry.source.open("rb") as file:
                    layer.addfile(info, file)
            else:
                info.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
                info.linkname = entry.link
                layer.addfile(info)


def write_image(
    target: Path, name: str, layer: Path, command: Sequence[str] = (), entrypoint: Sequence[str] = ()
) -> None:
    """Packs one layer as the image `name`. `target` appears whole or not at all."""
    digest = sha256(layer)
    config = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Env": [_PATH], "Entrypoint": list(entrypoint) or None, "Cmd": list(command) or None},
            "created": _DATE,
            # Builders count the history's entries and refuse a base whose layers are not all in it.
            "history": [{"created": _DATE, "created_by": "dind-operator tests/cluster"}],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        },
        sort_keys=True,
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            for member, content in ((config_name, config), ("manifest.json", manifest)):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            info = tarfile.TarInfo(layer_name)
            info.size = layer.stat().st_size
            with layer.open("rb") as content_file:
                archive.addfile(info, content_file)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def image_of_files(target: Path, name: str, entries: Iterable[Entry], entrypoint: Sequence[str] = ()) -> None:
    """An image of a few files, in one call."""
    folder = Path(tempfile.mkdtemp(prefix="dind-layer-"))
    try:
        write_layer(folder / "layer.tar", entries)
        write_image(target, name, folder / "layer.tar", entrypoint=entrypoint)
    finally:
        shutil.rmtree(folder)

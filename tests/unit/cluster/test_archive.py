"""Images without a builder: whole, reproducible, and what builders and containerd expect."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from tests.cluster import archive
from tests.cluster.archive import Entry


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF")
    return file


def image(target: Path, program: Path) -> Path:
    entries = [
        Entry("/bin"),
        Entry("/bin/program", program),
        Entry("/bin/p", link="program"),
        Entry("/tmp", mode=0o1777),
    ]
    archive.image_of_files(target, "dind.local/x:1", entries, ["/bin/program"])
    return target


def test_an_archive_names_its_layer_by_what_is_in_it(tmp_path: Path, program: Path) -> None:
    with tarfile.open(image(tmp_path / "image.tar", program)) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        config = json.load(tar.extractfile(manifest["Config"]) or pytest.fail("no config"))
        layer = (tar.extractfile(manifest["Layers"][0]) or pytest.fail("no layer")).read()
    assert manifest["RepoTags"] == ["dind.local/x:1"]
    assert config["config"]["Entrypoint"] == ["/bin/program"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert len(config["history"]) == len(manifest["Layers"])


def test_the_layer_has_files_links_and_folders_of_root(tmp_path: Path, program: Path) -> None:
    layer = tmp_path / "layer.tar"
    archive.write_layer(layer, [Entry("/bin"), Entry("/bin/p", link="program"), Entry("/bin/program", program)])
    with tarfile.open(layer) as tar:
        found = {member.name: member for member in tar}
    assert found["bin"].isdir()
    assert found["bin/p"].issym()
    assert found["bin/p"].linkname == "program"
    assert (found["bin/program"].mode, found["bin/program"].size) == (0o755, 4)
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, program: Path) -> None:
    first, second = (image(tmp_path / name, program).read_bytes() for name in ("one.tar", "two.tar"))
    assert first == second
    program.write_bytes(b"other")
    assert image(tmp_path / "three.tar", program).read_bytes() != first


def test_a_failed_packing_leaves_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive.write_image(tmp_path / "out" / "image.tar", "x:1", tmp_path / "absent.tar")
    assert not list((tmp_path).rglob("*.tar"))

"""The disk with images is made again when an image changes, and a node is asked for nothing that its record answers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cluster import images, store
from tests.cluster.store import Image
from tests.cluster.vm import stock

TWO = [Image("a:1", Path("/images/a-1.tar")), Image("b:1", Path("/images/b-1.tar"))]


def test_a_disk_in_the_cache_is_taken_and_only_old_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "dind-operator" / "images"
    folder.mkdir(parents=True)
    wanted = stock.planned(TWO)
    assert wanted.parent == folder
    assert stock.planned(TWO) == wanted
    assert stock.planned([TWO[0], Image("b:1", Path("/images/b-2.tar"))]) != wanted
    wanted.touch()
    for age, name in enumerate(("stock-old.img", "vm-1"), start=1):
        (folder / name).touch()
        os.utime(folder / name, (1000 - age, 1000 - age))
    assert stock.disk(TWO) == wanted
    stock._forget_old(folder)
    assert sorted(file.name for file in folder.iterdir()) == sorted([wanted.name, "vm-1"])


def test_the_guest_gets_all_but_the_operator() -> None:
    built = [Image(images.image_name(target), Path(f"/images/{target}.tar")) for target in images.TARGETS]
    assert {image.name for image in built} - {image.name for image in images.of_the_guest(built)} == {
        images.image_name("operator")
    }


@dataclass
class Recorded:
    """A node's containerd that must not be asked."""

    record: Path

    def names(self) -> set[str]:
        raise AssertionError

    def load(self, archive: Path) -> str:
        raise AssertionError(archive)


def test_an_image_of_another_archive_has_changed(tmp_path: Path) -> None:
    node = Recorded(tmp_path / "images.json")
    assert store.changed(TWO, node) == TWO
    node.record.write_text(json.dumps({"a:1": "a-1.tar", "b:1": "b-0.tar"}))
    assert store.changed(TWO, node) == TWO[1:]

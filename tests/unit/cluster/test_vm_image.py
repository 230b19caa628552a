"""The guest's image is made again when what it is made from changes, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cluster.vm import image


def test_the_image_is_named_after_its_inputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = image.planned()
    assert first.folder.parent == tmp_path / "dind-operator" / "images"
    assert image.planned() == first
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "one-more"))
    assert image.planned() != first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    script = tmp_path / "init.sh"
    script.write_text("another")
    monkeypatch.setattr(image, "_INIT", script)
    assert image.planned() != first


def test_an_image_in_the_cache_is_taken_and_only_old_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = image.planned().folder
    wanted.mkdir(parents=True)
    for age, name in enumerate(("vm-old", "vm-older", "vm-oldest"), start=1):
        (wanted.parent / name).mkdir()
        os.utime(wanted.parent / name, (1000 - age, 1000 - age))
    assert image.image().folder == wanted
    image._forget_old(wanted.parent)
    assert sorted(folder.name for folder in wanted.parent.iterdir()) == sorted([wanted.name, "vm-old"])

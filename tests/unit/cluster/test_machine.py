"""What a machine lacks is found by looking for programs, and said when it cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster import machine


def test_a_package_whose_file_is_absent_is_missing(tmp_path: Path) -> None:
    present = tmp_path / "program"
    packages = {"here": str(present), "gone": str(tmp_path / "absent")}
    assert machine.missing(packages) == ["here", "gone"]
    present.touch()
    assert machine.missing(packages) == ["gone"]


def test_only_the_virtual_node_needs_an_emulator() -> None:
    assert "qemu-system-x86" in machine.VM_PACKAGES
    assert not set(machine.VM_PACKAGES) & set(machine.PACKAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"clientVersion": {"major": "1", "minor": "34"}}), (1, 34)),
        (json.dumps({"clientVersion": {"major": "1", "minor": "20+"}}), (1, 20)),
        ("{}", (0, 0)),
        ("not json", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_release_of_a_kubectl_is_read(text: str, expected: tuple[int, int]) -> None:
    assert machine.kubectl_version(text) == expected


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)

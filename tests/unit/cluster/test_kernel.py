"""The machine's settings are given back as they were found, and others are not touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import kernel


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in kernel.SETTINGS[:3]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("0\n")
    monkeypatch.setattr(kernel, "_ROOT", tmp_path)
    return tmp_path


def test_what_was_changed_is_given_back(settings: Path) -> None:
    before = kernel.read()
    kernel.allow_forwarding()
    (settings / "vm/overcommit_memory").write_text("1\n")
    assert kernel.read() != before
    kernel.restore(before)
    assert kernel.read() == before


def test_a_setting_that_was_not_recorded_is_left_alone(settings: Path) -> None:
    (settings / "vm/overcommit_memory").write_text("2\n")
    kernel.restore({})
    assert kernel.read()["vm/overcommit_memory"] == "2"


def test_every_setting_is_one_of_this_kernel_or_left_out() -> None:
    found = kernel.read()
    assert set(found) <= set(kernel.SETTINGS)
    assert "net/ipv4/ip_forward" in found

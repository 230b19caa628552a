"""When a running guest is still the one that is wanted, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import own_images
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError
from tests.cluster.vm import guest, lifecycle, qemu


@pytest.fixture(autouse=True)
def _pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_images, "pause", lambda: Path("/images/pause-1.tar"))


def test_another_configuration_is_another_guest() -> None:
    instance = Instance("life", Path("/cache"))
    files, command = guest.system(instance, 1500, ""), qemu.command(instance, "vm0")
    key = lifecycle.key(instance, files, command)
    assert lifecycle.key(instance, guest.system(instance, 1500, ""), command) == key
    assert lifecycle.key(instance, guest.system(instance, 1400, ""), command) != key
    assert lifecycle.key(instance, files, [*command, "-S"]) != key


def test_a_cluster_without_a_guest_has_none(tmp_path: Path) -> None:
    instance = Instance("novm", tmp_path)
    assert not lifecycle.present(instance)
    assert lifecycle.running(instance) is None
    assert not lifecycle.fits(instance)
    with pytest.raises(ClusterError, match="NODES=host,vm"):
        lifecycle.wait(instance)
    with pytest.raises(ClusterError, match="NODES=host,vm"):
        lifecycle.reboot(instance)

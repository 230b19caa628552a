"""The keys of the guest, made with ssh-keygen."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.instance import Instance
from tests.cluster.vm import shell


def test_keys_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    instance = Instance("life", tmp_path)
    instance.vm.mkdir(parents=True)
    shell.prepare(instance)
    made = {name: (instance.vm / name).read_bytes() for name in ("key", "host-key", "known-hosts")}
    assert made["known-hosts"].startswith(b"vm ssh-ed25519 ")
    assert [name for name in ("key", "host-key") if (instance.vm / name).stat().st_mode & 0o077] == []
    shell.prepare(instance)
    assert {name: (instance.vm / name).read_bytes() for name in made} == made

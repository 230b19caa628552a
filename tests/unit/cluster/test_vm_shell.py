"""The way into the guest: with keys of its own, to that guest alone, and a sentence where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError
from tests.cluster.vm import shell


def test_ssh_takes_nothing_of_the_users_own() -> None:
    instance = Instance("life", Path("/cache"))
    lines = dict(line.split(maxsplit=1) for line in shell.configuration(instance).splitlines()[1:])
    assert lines["HostName"] == instance.vm_address
    for setting in ("IdentityFile", "UserKnownHostsFile", "ControlPath"):
        assert lines[setting].startswith(f"{instance.vm}/")
    assert (lines["IdentitiesOnly"], lines["StrictHostKeyChecking"], lines["BatchMode"]) == ("yes", "yes", "yes")


def test_without_a_guest_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="NODES=host,vm"):
        shell.run(Instance("life", tmp_path), ["true"])

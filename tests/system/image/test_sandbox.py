"""The stand-in for a container leaves nothing on the machine."""

from __future__ import annotations

import os
import subprocess
import threading

from tests.sandbox import hierarchies, remove_group


def test_a_group_goes_although_another_is_made_in_it_meanwhile(hierarchies_stay: None) -> None:
    """As when a nested container is just being started while everything ends."""
    group = next(iter(hierarchies().values())) / f"dind-test-late-{os.getpid()}"
    group.mkdir()
    with subprocess.Popen(["sleep", "0.6"]) as busy:
        (group / "cgroup.procs").write_text(str(busy.pid))
        late = threading.Timer(0.3, lambda: (group / "docker" / "container").mkdir(parents=True))
        late.start()
        remove_group(group)
        late.join()
    assert not group.exists()

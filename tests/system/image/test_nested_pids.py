"""The limit on processes of what is nested: some of the container's own stay with the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
LIMIT = "cat /sys/fs/cgroup/pids/docker/pids.max || echo none"


def nested(box: Sandbox, tool: Path, limit: str, script: str = LIMIT) -> str:
    (box.groups["pids"] / "pids.max").write_text(limit)
    return box.run(tool / "cgroups-mount", "mount", "--", "sh", "-c", script).stdout.strip()


@pytest.mark.parametrize(("limit", "left"), [("4096", "3840"), ("512", "256"), ("300", "150"), ("100", "50")])
def test_256_are_kept_for_the_daemon_or_half_of_a_few(
    make_sandbox: MakeSandbox, tool: Path, limit: str, left: str
) -> None:
    assert nested(make_sandbox(), tool, limit) == left


def test_no_limit_of_the_container_means_none_for_the_nested(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert nested(make_sandbox(), tool, "max") == "none"


def test_the_daemon_can_start_processes_when_the_nested_ones_cannot(make_sandbox: MakeSandbox, tool: Path) -> None:
    hog = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 1 & done"
    script = f"(echo 0 >/sys/fs/cgroup/pids/$0/cgroup.procs; {hog}; echo all) 2>/dev/null; sleep 0 && echo alive"
    in_group = f"for group in docker .; do sh -c '{script}' $group; sleep 1.2; done"
    assert nested(make_sandbox(), tool, "30", in_group).split() == ["alive", "all", "alive"]

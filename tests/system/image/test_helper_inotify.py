"""How many inotify instances are free, as far as somebody wants to know; counted by the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]
# In a user namespace the limit is one's own to lower; that of the machine stays as it is.
LIMITED = "echo {} >/proc/sys/user/max_inotify_instances"


def count(helper: Path, limit: int, wanted: int) -> int:
    script = f'{LIMITED.format(limit)}; exec "$0" inotify {wanted}'
    line = ["unshare", "--user", "--map-root-user", "sh", "-euc", script, helper]
    return int(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("limit", "wanted", "told"), [(0, 8, 0), (3, 8, 3), (8, 8, 8), (30, 8, 8), (30, 20, 20)])
def test_it_counts_what_can_be_had(helper: Path, limit: int, wanted: int, told: int) -> None:
    assert count(helper, limit, wanted) == told


@pytest.mark.parametrize("arguments", [[], ["0"], ["65"], ["few"], ["1", "2"]])
def test_anything_else_is_a_usage_error(helper: Path, arguments: list[str]) -> None:
    done = subprocess.run([helper, "inotify", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: dind-node inotify COUNT" in done.stderr


def test_a_node_with_enough_of_them(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, said = preflight(make_sandbox())
    assert (status, report["inotify"]["free"]) == (0, 8)
    assert f"inotify instances: {report['inotify']['limit']} for all pods of the node\n" in said
    assert "max_user_instances" not in said

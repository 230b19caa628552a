"""The proxy of nested containers: the variables with the ranges that are accessed without it."""

from __future__ import annotations

import subprocess
from pathlib import Path

PREPARE = r"""
set -eu; lib=$0; . "$lib/lib.sh"; . "$lib/proxy.sh"
network_report='{"bridge":"172.17.0.1/16","pools":["172.18.0.0/16","fd00::/64"],"interface":"eth0"}'
proxy_nested
printf %s "$NO_PROXY $no_proxy"
"""


def prepared(tool: Path, shell: str, **variables: str) -> str:
    program = ["busybox", "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*program, "-c", PREPARE, str(tool)],
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": ".svc", **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_ranges_of_nested_networks_are_accessed_without_it(tool: Path, shell: str) -> None:
    direct = ".svc,172.17.0.1/16,172.18.0.0/16,fd00::/64"
    assert prepared(tool, shell, DIND_PROXY="1") == f"{direct} {direct}"


def test_without_a_proxy_of_the_environment_the_variables_stay(tool: Path, shell: str) -> None:
    """Variables that somebody set for dockerd alone are not for containers."""
    assert prepared(tool, shell, no_proxy="a") == ".svc a"

"""The modes without `privileged` on a machine with version 1: what is refused there. Each question alone is asked in node/."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.mark.parametrize("mode", ["Capabilities", "UserNamespace"])
def test_version_1_is_refused_with_a_reason_and_a_remedy(
    make_sandbox: MakeSandbox, preflight: Preflight, mode: str
) -> None:
    box = make_sandbox()
    status, report, _ = preflight(box, config={"securityMode": "Privileged"})
    assert (status, report["mode"]) == (0, "Privileged")
    status, report, said = preflight(box, config={"securityMode": mode})
    error = report["error"]
    assert (status, error["check"], error["reason"]) == (1, "Cgroups", "CgroupVersionUnsupported")
    assert (report["mode"], report["cgroup"]["version"]) == (mode, 1)
    for part in (f"security.mode {mode} needs cgroup version 2", "devices.allow", "scheduling.nodeSelector"):
        assert part in error["message"]
    assert error["message"] in said


def test_nothing_said_is_privileged(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, said = preflight(make_sandbox())
    assert (status, report["mode"]) == (0, "Privileged")
    assert "security mode Privileged\n" in said


def test_a_mode_of_a_newer_operator(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, _ = preflight(make_sandbox(), config={"securityMode": "Another"})
    assert (status, report["error"]["reason"]) == (1, "SecurityModeUnknown")
    assert "as new as the operator" in report["error"]["message"]


def test_without_sys_admin_the_mode_says_what_it_needs(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    drop = f'{shutil.which("setpriv")} --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"'
    _, report, _ = preflight(make_sandbox(), around=drop, config={"securityMode": "Capabilities"})
    assert report["error"]["reason"] == "CgroupsNotMountable"
    assert "needs the capability SYS_ADMIN (mode Capabilities)" in report["error"]["message"]

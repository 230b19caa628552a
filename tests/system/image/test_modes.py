"""The modes without `privileged`, as far as a version 1 machine can show them: what is refused there, and each question alone.

User namespaces, covered parts of /proc and read-only /proc/sys are real; the version 2 hierarchy with controllers is not
here, so where a test needs one, the answer to "which version" is given to it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]
Sh = Callable[..., str]

SOURCE = """
set -eu; lib=$0; . "$lib/lib.sh"; . "$lib/modes.sh"; . "$lib/cgroups.sh"; . "$lib/storage.sh"; . "$lib/preflight.sh"
write_failure() { echo "failed: $1 $2"; }
"""
# A process whose root is somebody else outside, as the runtime makes one for a pod.
IN_USERNS = f'{shutil.which("unshare")} --user --map-root-user --mount --pid --fork --net "$@"'
VERSION_2 = "cgroup_detect() { cgroup_version=2; }; "
READ_ONLY = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"
WRITABLE = (
    "for f in net/ipv4/ip_forward kernel/core_pattern; do (: >>/proc/sys/$f) 2>/dev/null && echo $f || echo no; done"
)


@pytest.fixture
def sh(make_sandbox: MakeSandbox, tool: Path) -> Sh:
    """Shell with the functions sourced, in a mode; returns all output."""

    def run(script: str, *, mode: str = "", userns: bool = False, more: str = "") -> str:
        around = IN_USERNS if userns else '"$@"'
        command = ["sh", "-c", f"{around}", "sh", "sh", "-c", SOURCE + script, str(tool)]
        done = make_sandbox(more=more).run(*command, env={"DIND_SECURITY_MODE": mode})
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("mode", ["Capabilities", "UserNamespace"])
def test_version_1_is_refused_with_a_reason_and_a_remedy(
    make_sandbox: MakeSandbox, preflight: Preflight, mode: str
) -> None:
    box = make_sandbox()
    status, report, _ = preflight(box, DIND_SECURITY_MODE="Privileged")
    assert (status, report["mode"]) == (0, "Privileged")
    status, report, said = preflight(box, DIND_SECURITY_MODE=mode)
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
    status, report, _ = preflight(make_sandbox(), DIND_SECURITY_MODE="Another")
    assert (status, report["error"]["reason"]) == (1, "SecurityModeUnknown")
    assert "as new as the operator" in report["error"]["message"]


def test_without_sys_admin_the_mode_says_what_it_needs(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    drop = f'{shutil.which("setpriv")} --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"'
    _, report, _ = preflight(make_sandbox(), around=drop, DIND_SECURITY_MODE="Capabilities")
    assert report["error"]["reason"] == "CgroupsNotMountable"
    assert "needs the capability SYS_ADMIN (mode Capabilities)" in report["error"]["message"]


def test_a_user_namespace_that_was_asked_for_must_be_one(sh: Sh) -> None:
    ask = VERSION_2 + "mode_require; echo passed"
    outside = sh(ask, mode="UserNamespace")
    assert "failed: Cgroups UserNamespaceMissing" in outside
    assert "its root would be the node's" in outside
    assert sh(ask, mode="UserNamespace", userns=True) == "passed\n"
    # The other mode needs none.
    assert sh(ask, mode="Capabilities") == "passed\n"


def test_a_cgroup_that_was_not_given_away_is_told_with_containerds_line(sh: Sh) -> None:
    more = "mkdir /run/ro; mount -t tmpfs -o ro t /run/ro; mkdir /run/rw"
    ask = "mode_cgroup_writable {0}; echo passed"
    refused = sh(ask.format("/run/ro"), mode="UserNamespace", more=more)
    assert "failed: Cgroups CgroupNotWritable" in refused
    assert "cgroup_writable = true" in refused
    assert sh(ask.format("/run/rw"), mode="UserNamespace", more=more) == "passed\n"
    # Real root is told by what fails later, as ever.
    assert sh(ask.format("/run/ro"), mode="Capabilities", more=more) == "passed\n"


# Covered before the user namespace is made, as the runtime does it: the kernel locks such mounts there.
COVERED = "mount -t tmpfs t /proc/tty"


@pytest.mark.parametrize(
    ("userns", "covered", "passes"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_proc_is_mounted_as_for_a_nested_container(sh: Sh, userns: bool, covered: bool, passes: bool) -> None:
    """Real root may mount it over covered parts; in a user namespace the kernel minds."""
    script = "mkdir /run/x 2>/dev/null || mount -t tmpfs t /run; mode_prove_mounts /run/x; ls /run/x/proc/self/status"
    out = sh(script, mode="UserNamespace" if userns else "Capabilities", userns=userns, more=COVERED if covered else "")
    assert ("/run/x/proc/self/status" in out) == passes, out
    assert ("failed: Cgroups ProcMasked" in out) == (not passes)
    assert passes or "procMount: Unmasked" in out


def test_privileged_proves_no_mounts(sh: Sh) -> None:
    assert sh("mode_prove_mounts /nowhere; echo passed") == "passed\n"


def test_an_overlay_in_a_user_namespace_carries_replaced_folders(sh: Sh) -> None:
    script = "mkdir -p /run/s; scratch=/run/s; overlay_works && ls -d /run/s/kernel/upper/*/"
    out = sh(f"mount -t tmpfs t /run; {script}", mode="UserNamespace", userns=True)
    assert out.split() == ["/run/s/kernel/upper/folder/"]
    # Without the option it is not mounted so that a folder can be replaced.
    broken = sh(
        f"mount -t tmpfs t /run; mode_overlay_options() {{ :; }}; {script} || echo refused",
        mode="UserNamespace",
        userns=True,
    )
    assert "refused" in broken


def test_the_other_modes_mount_an_overlay_as_before(sh: Sh) -> None:
    for mode in ("Privileged", "Capabilities"):
        assert sh('echo "<$(mode_overlay_options)>"', mode=mode) == "<>\n"


@pytest.mark.parametrize(
    ("mode", "writable"),
    [("Capabilities", ["net/ipv4/ip_forward", "no"]), ("Privileged", ["net/ipv4/ip_forward", "kernel/core_pattern"])],
)
def test_of_a_read_only_proc_sys_the_mode_opens_what_dockerd_needs(sh: Sh, mode: str, writable: list[str]) -> None:
    assert sh(WRITABLE, more=READ_ONLY).split() == ["no", "no"]
    assert sh(f"writable_proc_sys; {WRITABLE}", mode=mode, more=READ_ONLY).split() == writable


def test_a_writable_proc_sys_is_left_as_it_is(sh: Sh) -> None:
    count = "grep -c /proc/sys /proc/self/mountinfo || :"
    assert sh(f"writable_proc_sys; {count}", mode="Capabilities").split() == ["0"]


def test_a_proc_sys_that_stays_read_only_is_told(sh: Sh) -> None:
    out = sh("mount() { return 1; }; writable_proc_sys", mode="Capabilities", more=READ_ONLY)
    assert "/proc/sys stays read-only" in out


# As the runtime starts a pod with `hostUsers: false`: the container's root is an unprivileged user of the node. $1 is shell.
# Whole paths, because a busybox shell takes its own unshare, which knows less.
MAPPED = """
UNSHARE --user sleep 60 & pid=$!
until [ "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
echo "0 100000 1000" >/proc/$pid/uid_map; echo "0 100000 1000" >/proc/$pid/gid_map
NSENTER --user=/proc/$pid/ns/user UNSHARE --mount --cgroup --net sh -c "$1" /run/tool
kill $pid
""".replace("UNSHARE", str(shutil.which("unshare"))).replace("NSENTER", str(shutil.which("nsenter")))
MOUNT = "mount -t tmpfs t /mnt; mkdir /mnt/cg; cgroup_root=/mnt/cg; mode_require; cgroup_mount_v2; "


@pytest.mark.parametrize("given_away", [True, False])
def test_the_cgroup_of_an_unprivileged_user(make_sandbox: MakeSandbox, tool: Path, given_away: bool) -> None:
    """With what `cgroup_writable` makes of the group, the tool mounts and delegates it; without, it says what is missing."""
    box = make_sandbox(more=f"cp -r {tool} /run/tool; chmod -R a+rX /run/tool")
    assert box.unified, "this machine's version 2 tree is needed"
    if given_away:
        for path in (
            box.unified,
            *(box.unified / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads")),
        ):
            os.chown(path, 100000, 100000)
    look = "cat /proc/self/uid_map; ls -d /mnt/cg/*/; grep ^0: /proc/self/cgroup"
    script = SOURCE + VERSION_2 + "cgroup_version=2; " + MOUNT + look
    done = box.run("sh", "-c", MAPPED, "sh", script, env={"DIND_SECURITY_MODE": "UserNamespace"})
    if given_away:
        assert done.stdout.split() == ["0", "100000", "1000", "/mnt/cg/docker/", "/mnt/cg/init/", "0::/init"], (
            done.stderr
        )
    else:
        assert done.stdout == "failed: Cgroups CgroupNotWritable\n", done.stderr
        assert "Permission denied" in done.stderr


@pytest.mark.parametrize(("version", "file"), [(1, "memory/docker/memory.limit_in_bytes"), (2, "docker/memory.max")])
def test_runc_is_wrapped_where_nested_containers_have_a_limit_together(
    tool: Path, tmp_path: Path, shell: str, version: int, file: str
) -> None:
    """What the wrapper reads is where the limit of all of them is."""
    script = (
        f'lib=$0; . "$lib/lib.sh"; . "$lib/modes.sh"; cgroup_root=/groups cgroup_version={version} nested_limit=1; '
        'mode_choose_runc "$1"; echo "$PATH"'
    )
    done = subprocess.run(
        [*(["busybox", "sh"] if shell == "busybox" else [shell]), "-euc", script, tool, tmp_path / "w"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'w'}:/usr/bin:/bin\n"
    assert json.loads((tmp_path / "w/settings.json").read_text())["memoryLimitFile"] == f"/groups/{file}"

"""The init container's check on this machine: what it proves, reports and installs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.sandbox import MIB, Sandbox, hierarchies

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]


def test_a_good_node(make_sandbox: MakeSandbox, preflight: Preflight, tool: Path, tmp_path: Path) -> None:
    status, report, said = preflight(make_sandbox(memory=256 * MIB), config={"reserveBytes": 64 * MIB})
    assert (status, report["ok"]) == (0, True)
    expected = [part for name in hierarchies() if "=" not in name for part in name.split(",")]
    assert sorted(report["cgroup"]["controllers"]) == sorted(expected)
    assert report["memory"] == {"limitBytes": 256 * MIB}
    assert (report["storage"]["overlay"], report["storage"]["driver"]) == (True, None)
    assert f"memory limit: {256 * MIB}, nested containers together: {192 * MIB}" in said
    installed = {path.name: path for path in (tmp_path / "dind").iterdir()}
    assert installed.pop("overlay-works").read_bytes() == b""
    assert sorted(installed) == sorted(path.name for path in tool.iterdir())
    for name, path in installed.items():
        assert path.read_bytes() == (tool / name).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o755
    # Elsewhere than here the links must lead to the copy.
    assert {name: str(path.readlink()) for name, path in installed.items() if path.is_symlink()} == {
        "entrypoint": "dind-node",
        "cgroups-mount": "dind-node",
    }


def test_without_limit_and_reserve(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, said = preflight(make_sandbox())
    assert (status, report["memory"]) == (0, {"limitBytes": None})
    assert "memory limit: none\n" in said


def test_the_apparmor_state_is_the_kernels(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    _, report, _ = preflight(make_sandbox())
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    assert report["apparmor"]["enabled"] == (enabled.exists() and enabled.read_text().strip() == "Y")
    if not report["apparmor"]["enabled"]:
        assert report["apparmor"]["profile"] is None


def test_again_over_an_old_folder_and_what_a_killed_run_left(
    make_sandbox: MakeSandbox, preflight: Preflight, tool: Path, tmp_path: Path
) -> None:
    box = make_sandbox()
    old = tmp_path / "dind" / "entrypoint"
    old.write_text("old")
    running = old.open()
    (tmp_path / "dind" / ".new").write_text("cut sho")
    (box.volume / ".dind-preflight.7" / "lower").mkdir(parents=True)
    assert preflight(box)[0] == 0
    assert old.read_bytes() == (tool / "entrypoint").read_bytes()
    # A daemon that runs from the old file keeps it: the new one came by rename.
    assert running.read() == "old"
    running.close()
    assert not (tmp_path / "dind" / ".new").is_symlink()
    assert not (tmp_path / "dind" / ".new").exists()


def test_on_a_volume_in_memory(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    status, report, _ = preflight(make_sandbox(more="mount -t tmpfs tmpfs /var/lib/docker"))
    assert (status, report["storage"]["filesystem"]) == (0, "tmpfs")


def test_it_needs_no_program_of_its_image(make_sandbox: MakeSandbox, preflight: Preflight, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    assert preflight(make_sandbox(), around=f'(PATH={empty}; exec "$@")')[0] == 0


def test_a_small_container_passes(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    """The limits that are tried must not exceed what the container itself has, where the kernel minds."""
    box = make_sandbox(memory=24 * MIB)
    (box.groups["cpu"] / "cpu.cfs_quota_us").write_text("20000")
    (box.groups["pids"] / "pids.max").write_text("20")
    assert preflight(box)[0] == 0

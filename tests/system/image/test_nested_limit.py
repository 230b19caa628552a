"""The limit of what is nested: the container's own minus the reserve, set on the group dockerd works in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sandbox import MIB, Sandbox, told

from dind_operator.pod.node_config import CONFIG_VARIABLE

MakeSandbox = Callable[..., Sandbox]
LIMIT = "cat /sys/fs/cgroup/memory/docker/memory.limit_in_bytes"


def nested(box: Sandbox, tool: Path, reserve: str | None, script: str = LIMIT) -> tuple[int, str, str]:
    env = {} if reserve is None else {CONFIG_VARIABLE: f'{{"reserveBytes":{reserve}}}'}
    done = box.run(tool / "cgroups-mount", "mount", "--", "sh", "-c", script, env=env)
    return done.returncode, done.stdout.strip(), done.stderr


def test_the_reserve_is_held_back(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert nested(make_sandbox(memory=256 * MIB), tool, str(64 * MIB)) == (0, str(192 * MIB), "")


def test_swap_is_less_by_the_reserve_too(make_sandbox: MakeSandbox, tool: Path) -> None:
    """Memory and swap are one sum: a kernel that counts swap limits it with memory, any other has no such file."""
    box = make_sandbox(memory=256 * MIB)
    own = box.groups["memory"] / "memory.memsw.limit_in_bytes"
    counted = own.exists()
    if counted:
        own.write_text(str(512 * MIB))
    script = f"{LIMIT}; cat /sys/fs/cgroup/memory/docker/memory.memsw.limit_in_bytes 2>/dev/null || echo absent"
    expected = f"{192 * MIB}\n{448 * MIB if counted else 'absent'}"
    assert nested(box, tool, str(64 * MIB), script) == (0, expected, "")


def test_a_remainder_that_is_no_whole_page(make_sandbox: MakeSandbox, tool: Path) -> None:
    status, limit, err = nested(make_sandbox(memory=256 * MIB), tool, str(64 * MIB + 1))
    assert (status, limit, err) == (0, str(192 * MIB - 4096), "")


def test_a_group_that_an_earlier_container_left_gets_the_new_limit(make_sandbox: MakeSandbox, tool: Path) -> None:
    box = make_sandbox(memory=256 * MIB)
    assert nested(box, tool, str(200 * MIB))[1] == str(56 * MIB)
    assert nested(box, tool, str(20 * MIB))[1] == str(236 * MIB)
    assert nested(box, tool, str(100 * MIB))[1] == str(156 * MIB)


def test_no_reserve_means_no_limit(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert nested(make_sandbox(memory=256 * MIB), tool, None, f"{LIMIT} || echo none")[1] == "none"


def test_no_limit_of_the_container_means_none_for_the_nested(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert nested(make_sandbox(), tool, str(64 * MIB), f"{LIMIT} || echo none")[1] == "none"


def test_a_reserve_of_nothing_gives_all(make_sandbox: MakeSandbox, tool: Path) -> None:
    assert nested(make_sandbox(memory=256 * MIB), tool, "0")[1] == str(256 * MIB)


@pytest.mark.parametrize("reserve", [256 * MIB, 257 * MIB, 10**18])
def test_nothing_left_is_refused_with_both_numbers(make_sandbox: MakeSandbox, tool: Path, reserve: int) -> None:
    status, _, err = nested(make_sandbox(memory=256 * MIB), tool, str(reserve))
    assert status == 1
    assert f"the memory limit is {256 * MIB} bytes and {reserve} bytes are held back" in err
    assert "Raise --memory, or lower reserveBytes in DIND_NODE_CONFIG." in err


def test_with_a_kubelet_the_remedies_are_fields_of_the_spec(
    make_sandbox: MakeSandbox, tool: Path, tmp_path: Path
) -> None:
    (message := tmp_path / "termination-log").touch()
    env = {"DIND_TERMINATION_LOG": str(message)} | told(reserveBytes=256 * MIB)
    done = make_sandbox(memory=256 * MIB).run(tool / "cgroups-mount", "mount", "--", "true", env=env)
    assert done.returncode == 1
    assert "Raise daemon.resources.limits.memory" in done.stderr
    assert "--memory" not in done.stderr


def test_a_reserve_that_holds_nothing_back_is_told_where_no_operator_tells_it(
    make_sandbox: MakeSandbox, tool: Path, tmp_path: Path
) -> None:
    said = "nothing is held back by reserveBytes in DIND_NODE_CONFIG: this container has no memory limit"
    assert said in nested(make_sandbox(), tool, str(64 * MIB), "true")[2]
    assert said not in nested(make_sandbox(memory=256 * MIB), tool, str(64 * MIB), "true")[2]
    assert said not in nested(make_sandbox(), tool, None, "true")[2]
    (message := tmp_path / "termination-log").touch()
    env = {"DIND_TERMINATION_LOG": str(message)} | told(reserveBytes=64 * MIB)
    assert make_sandbox().run(tool / "cgroups-mount", "mount", "--", "true", env=env).stderr == ""


@pytest.mark.parametrize("reserve", ['"64Mi"', "-1", "1.5", "0x10", "010", "9" * 20, "1;reboot"])
def test_a_reserve_that_is_no_number_is_refused(make_sandbox: MakeSandbox, tool: Path, reserve: str) -> None:
    status, _, err = nested(make_sandbox(memory=256 * MIB), tool, reserve)
    assert status == 1
    assert "The variable DIND_NODE_CONFIG cannot be read: " in err


def test_a_nested_hog_dies_alone(make_sandbox: MakeSandbox, tool: Path) -> None:
    """The same hog, in /docker and beside it: only the limit there makes the difference."""
    hog = "head -c 100m /dev/zero | tail -c 100m | wc -c"
    run = f'(echo 0 >/sys/fs/cgroup/memory/$0/cgroup.procs; {hog}) || :; echo "daemon lives"'
    box = make_sandbox(memory=256 * MIB)
    script = f"for group in docker .; do sh -c '{run}' $group; done"
    status, out, _ = nested(box, tool, str(192 * MIB), script)
    # The kernel may kill the hog's whole pipeline, or only its largest process.
    inside, beside, rest = out.split("daemon lives")
    assert (status, beside.strip(), rest) == (0, str(100 * MIB), "")
    assert inside.strip() != str(100 * MIB)

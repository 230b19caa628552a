"""The loader under both shells, with a kernel and a parser that are files: what is loaded when, and what stays loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.apparmor import PROFILES

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
BOTH = ["dind (enforce)", "dind-complain (complain)"]

# Does to the list of profiles what the kernel would, and keeps what it was given.
PARSER = r"""#!/bin/sh
[ ! -e "$FAKE/broken" ] || { : >"$FAKE/refused"; echo "syntax error, unexpected TOK_X" >&2; exit 1; }
text=$(cat)
line=$(printf '%s\n' "$text" | grep '^profile ')
name=${line#profile } name=${name%% *} mode=enforce
case $line in *complain\)*) mode=complain ;; esac
list=$DIND_SECURITYFS/apparmor/profiles
grep -v "^$name " "$list" >"$list.new" || :
case $1 in
--replace) echo "$name ($mode)" >>"$list.new"; printf '%s\n' "$text" >"$FAKE/$name" ;;
--remove) rm -f "$FAKE/$name" ;;
esac
mv "$list.new" "$list"
echo "$1 $name" >>"$FAKE/calls"
"""


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20  # a busy machine
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Node:
    folder: Path
    shell: list[str]
    pods: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "security" / "apparmor").mkdir(parents=True)
        self.profiles.write_text("/usr/bin/man (enforce)\n")
        (self.folder / "proc" / "1" / "attr").mkdir(parents=True)
        (self.folder / "proc" / "1" / "attr" / "current").write_text("unconfined\n")
        (self.folder / "fake").mkdir()
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "apparmor_parser").write_text(PARSER)
        (self.folder / "bin" / "apparmor_parser").chmod(0o755)
        (self.folder / "dind").write_text((PROFILES / "dind").read_text())

    @property
    def profiles(self) -> Path:
        return self.folder / "security" / "apparmor" / "profiles"

    @property
    def calls(self) -> list[str]:
        file = self.folder / "fake" / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def listed(self) -> list[str]:
        return self.profiles.read_text().splitlines()[1:]

    def start(self, pod: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [*self.shell, str(PROFILES / "loader"), "run"],
            env=self._environment(pod), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.pods.append(started)
        return started

    def loaded_by(self, pod: str) -> subprocess.Popen[str]:
        started = self.start(pod)
        eventually(lambda: self.ready(pod), f"{pod} has not loaded")
        return started

    def ready(self, pod: str) -> bool:
        command = [*self.shell, str(PROFILES / "loader"), "ready"]
        return subprocess.run(command, env=self._environment(pod), check=False).returncode == 0

    def _environment(self, pod: str) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "FAKE": str(self.folder / "fake"),
            "DIND_SECURITYFS": str(self.folder / "security"),
            "DIND_PROC": str(self.folder / "proc"),
            "DIND_STATE": str(self.folder / "state"),
            "DIND_PROFILE": str(self.folder / "dind"),
            "DIND_POD_UID": pod,
            "DIND_INTERVAL": "0.1",
        }

    def process(self, label: str, file: str = "attr/apparmor/current") -> None:
        place = self.folder / "proc" / "77" / file
        place.parent.mkdir(parents=True)
        place.write_text(f"{label}\n")


def ended(pod: subprocess.Popen[str]) -> str:
    """What it had said when SIGTERM has ended it."""
    pod.send_signal(signal.SIGTERM)
    out, _ = pod.communicate(timeout=30)
    assert pod.returncode == 0, out
    return out


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path, SHELLS[request.param])
    yield made
    for pod in made.pods:
        with suppress(ProcessLookupError):
            os.killpg(pod.pid, signal.SIGKILL)
        pod.communicate()


def test_both_are_loaded_and_a_removal_unloads_them(node: Node) -> None:
    pod = node.loaded_by("a")
    assert node.listed() == BOTH
    out = ended(pod)
    assert node.listed() == []
    assert node.profiles.read_text() == "/usr/bin/man (enforce)\n"
    for part in ("loaded the profile dind\n", "loaded the profile dind-complain\n", "unloaded the profile dind\n"):
        assert part in out
    assert not node.ready("a")


def test_a_rolling_update_leaves_what_the_new_pod_loaded(node: Node) -> None:
    old = node.loaded_by("old")
    (node.folder / "dind").write_text((PROFILES / "dind").read_text() + "# changed\n")
    node.loaded_by("new")
    assert "a later pod has loaded the profiles" in ended(old)
    assert node.listed() == BOTH
    assert not [call for call in node.calls if call.startswith("--remove")]
    for name in ("dind", "dind-complain"):
        assert "# changed" in (node.folder / "fake" / name).read_text()


@pytest.mark.parametrize("file", ["attr/apparmor/current", "attr/current"])
@pytest.mark.parametrize("label", ["dind (enforce)", "dind//&:ns:other (enforce)", "other//&dind (mixed)"])
def test_a_profile_that_confines_a_process_is_never_unloaded(node: Node, label: str, file: str) -> None:
    pod = node.loaded_by("a")
    node.process(label, file)
    out = ended(pod)
    assert "the profile dind stays: the process 77 runs under it" in out
    assert node.listed() == ["dind (enforce)"]


@pytest.mark.parametrize("label", ["dind-complain (complain)", "dind-other (enforce)", "unconfined"])
def test_another_profile_of_a_similar_name_holds_nothing(node: Node, label: str) -> None:
    pod = node.loaded_by("a")
    node.process(label)
    ended(pod)
    assert "dind (enforce)" not in node.listed()


def test_what_somebody_else_removed_is_loaded_again(node: Node) -> None:
    node.loaded_by("a")
    node.profiles.write_text("/usr/bin/man (enforce)\ndind (enforce)\n")
    eventually(lambda: sorted(node.listed()) == BOTH, "not loaded again")


def test_the_kernel_is_left_alone_while_nothing_is_missing(node: Node) -> None:
    node.loaded_by("a")
    time.sleep(0.5)  # five intervals
    assert node.calls == ["--replace dind", "--replace dind-complain"]


def test_a_profile_that_does_not_compile_is_said_and_tried_again(node: Node) -> None:
    (node.folder / "fake" / "broken").touch()
    pod = node.start("a")
    eventually((node.folder / "fake" / "refused").exists, "not tried")
    assert not node.ready("a")
    (node.folder / "fake" / "broken").unlink()
    eventually(lambda: node.ready("a"), "not tried again")
    assert "could not be loaded: syntax error, unexpected TOK_X. Check apparmor.extraRules" in ended(pod)


def test_a_node_without_apparmor_is_fine_and_is_told(node: Node) -> None:
    node.profiles.unlink()
    pod = node.start("a")
    assert node.ready("a")
    time.sleep(0.3)
    out = ended(pod)
    assert "This node has no AppArmor" in out
    assert len(out.splitlines()) == 1
    assert node.calls == []


def test_wrong_usage(node: Node) -> None:
    done = subprocess.run([*node.shell, str(PROFILES / "loader")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr

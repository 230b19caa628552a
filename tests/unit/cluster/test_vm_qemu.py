"""QEMU's command line, and its protocol as it speaks it: a greeting first, events in between, errors in words."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError
from tests.cluster.vm import qemu


def test_everything_of_the_guest_is_in_the_instances_folder() -> None:
    instance = Instance("life", Path("/cache"))
    words = qemu.command(instance, "vm0")
    paths = [part for word in words for part in word.replace("=", ",").replace(":", ",").split(",") if part[:1] == "/"]
    assert len(paths) == 8
    assert all(path.startswith(f"{instance.state}/") for path in paths)
    assert "tap,id=link,ifname=vm0,script=no,downscript=no" in words
    drives = [words[at + 1] for at, word in enumerate(words) if word == "-drive"]
    # The guest finds them by their order.
    names = [Path(drive.split(",")[0]).name for drive in drives]
    assert names == ["root.img", "configuration.tar", "programs.tar", "stock.img"]
    assert [drive.endswith("readonly=on") for drive in drives] == [False, True, True, False]


def test_sockets_have_shorter_names_than_the_one_that_is_checked() -> None:
    instance = Instance("life", Path("/cache"))
    limit = len(f"{instance.containerd_socket}.ttrpc")
    assert len(str(qemu.socket_path(instance))) <= limit
    # ssh appends a dot and 16 letters while it makes its socket.
    assert len(str(instance.vm / "s")) + 17 <= limit


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[tuple[Instance, list[str], list[dict[str, object]]]]:
    """A socket that speaks as QEMU does: (instance, what it was told, what it answers to the second command)."""
    instance = Instance("life", tmp_path)
    instance.vm.mkdir(parents=True)
    told: list[str] = []
    answers: list[dict[str, object]] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(qemu.socket_path(instance)))
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as lines:
            lines.write(json.dumps({"QMP": {}}) + "\n")
            lines.flush()
            for answer in ([{"return": {}}], answers):
                told.append(json.loads(lines.readline())["execute"])
                for line in answer:
                    lines.write(json.dumps(line) + "\n")
                lines.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    yield instance, told, answers
    thread.join()
    server.close()


def test_a_reset_is_told_and_events_are_not_answers(
    monitor: tuple[Instance, list[str], list[dict[str, object]]],
) -> None:
    instance, told, answers = monitor
    answers += [{"event": "RESET"}, {"return": {}}]
    qemu.reset(instance)
    assert told == ["qmp_capabilities", "system_reset"]


def test_a_refusal_is_told_in_qemus_words(monitor: tuple[Instance, list[str], list[dict[str, object]]]) -> None:
    instance, _, answers = monitor
    answers.append({"error": {"class": "GenericError", "desc": "not in this state"}})
    with pytest.raises(ClusterError, match="not in this state"):
        qemu.reset(instance)


def test_nobody_at_the_socket_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="Check that the virtual node is running"):
        qemu.reset(Instance("life", tmp_path))

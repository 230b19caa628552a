"""The pod's part: bounded lines, one-line states."""

from typing import Any

import pytest
from tests.unit.objects import pod, terminated

from dind_operator.report.pod import MAX_LINE, container_facts, daemon_ends, image, log, pod_facts


def test_a_log_is_lines_and_each_is_bounded() -> None:
    lines = log("one\n\n" + "x" * 1_000_000 + "\nthree")
    assert lines[0] == "one"
    assert len(lines[1]) == MAX_LINE + 1
    assert lines[2] == "three"


def test_a_carriage_return_stays_in_its_line_to_be_shown() -> None:
    assert log("10%\r20%\nend") == ["10%\r20%", "end"]


def test_images_are_those_the_pod_was_made_with() -> None:
    assert image(pod(), "daemon") == "registry.example.com/daemon:1"
    assert image(pod(), "none") is None
    assert image(None, "daemon") is None


@pytest.mark.parametrize("manifest", [None, pod()])
def test_a_pod_without_containers_yet_has_no_facts_of_them(manifest: dict[str, Any] | None) -> None:
    assert container_facts(manifest, None, []) == {}
    assert daemon_ends(manifest) == []


def test_the_newest_end_comes_first() -> None:
    manifest = pod()
    status = {"name": "daemon", "state": terminated(1, '{"tail":"new"}'), "lastState": terminated(1, '{"tail":"old"}')}
    manifest["status"]["containerStatuses"] = [status]
    assert [end.tail for end in daemon_ends(manifest)] == ["new", "old"]


def test_no_pod_is_said() -> None:
    assert pod_facts(None) == {"exists": "no"}

"""Which logs a report has."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects import container, running_pod, set_containers

from dind_operator.report.gather import Reader, read_logs

DAEMON = "daemon"
BEFORE = "daemon (before its last restart)"


class Cluster:
    """A daemon's container that has restarted so often, and its logs."""

    def __init__(self, restarts: int, now: str, before: str) -> None:
        self.restarts, self.now, self.before = restarts, now, before
        self.asked: list[tuple[str, bool]] = []

    async def pod(self, key: tuple[str, str]) -> dict[str, Any]:
        return pod(self.restarts)

    async def log_tail(self, key: tuple[str, str], name: str, lines: int, *, previous: bool = False) -> str:
        self.asked.append((name, previous))
        if name != DAEMON:
            return "checked"
        return self.before if previous else self.now


def pod(restarts: int) -> dict[str, Any]:
    made = running_pod()
    return set_containers(made, None, container(DAEMON, {"running": {}}, restartCount=restarts))


@pytest.mark.parametrize(
    ("seen", "restarts", "now", "expected"),
    [
        (0, 0, "serving", {"mount-cgroups": "checked", DAEMON: "serving"}),
        (0, 0, "", {"mount-cgroups": "checked", DAEMON: ""}),
        (2, 2, "again", {"mount-cgroups": "checked", BEFORE: "it failed", DAEMON: "again"}),
        # It restarted between the read of the pod and that of its log.
        (0, 1, "", {"mount-cgroups": "checked", DAEMON: "", BEFORE: "it failed"}),
    ],
)
async def test_what_a_container_wrote_before_its_restart_is_there(
    seen: int, restarts: int, now: str, expected: dict[str, str]
) -> None:
    cluster, reader = Cluster(restarts, now, "it failed"), Reader()
    assert await read_logs(cluster, reader, ("team-a", "builder"), pod(seen), 10) == expected  # type: ignore[arg-type]
    assert reader.missing == []

"""Which logs a report has."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects import container, running_pod, set_containers

from dind_operator.controller.api_errors import error_of
from dind_operator.report.gather import Reader, read_logs

DAEMON = "daemon"
BEFORE = "daemon (before its last restart)"


class Cluster:
    """A daemon's container that has restarted so often, and its logs; its status never says so. Without a log it is not read."""

    def __init__(self, restarts: int, now: str | None, before: str) -> None:
        self.restarts, self.now, self.before = restarts, now, before

    async def log_tail(self, key: tuple[str, str], name: str, lines: int, *, previous: bool = False) -> str:
        if name != DAEMON:
            return "checked"
        text = self.now if not previous else self.before if self.restarts else None
        if text is None:
            raise error_of(400, {"message": f'container "{name}" in pod "builder" is waiting to start or not found'})
        return text


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
        (0, 1, None, {"mount-cgroups": "checked", BEFORE: "it failed"}),
    ],
)
async def test_what_a_container_wrote_before_its_restart_is_there(
    seen: int, restarts: int, now: str | None, expected: dict[str, str]
) -> None:
    cluster, reader = Cluster(restarts, now, "it failed"), Reader()
    assert await read_logs(cluster, reader, ("team-a", "builder"), pod(seen), 10) == expected  # type: ignore[arg-type]
    assert bool(reader.missing) == (now is None)

"""When a node counts as ready: on its own fresh word, not on what it said before it died."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.readiness import node_is_ready

BEAT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


def answer(status: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "lastHeartbeatTime": "2026-01-02T03:04:05Z"}
    return {"status": {"conditions": [{"type": "DiskPressure", "status": "True"}, ready]}}


@pytest.mark.parametrize(
    ("status", "after", "expected"),
    [
        ("True", 0, True),
        ("True", BEAT + 0.9, True),  # the API keeps whole seconds
        ("True", BEAT + 1, False),
        ("False", 0, False),
        ("Unknown", 0, False),
    ],
)
def test_only_a_fresh_report_counts(status: str, after: float, expected: bool) -> None:
    assert node_is_ready(answer(status), after) is expected


def test_a_node_that_has_not_reported_is_not_ready() -> None:
    assert not node_is_ready({"status": {}}, 0)
    assert not node_is_ready({}, 0)

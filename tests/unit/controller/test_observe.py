"""What is read beyond the watch cache, and when nothing is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import NOW, environment, failed_pod, node, observed, pod, running_pod

from dind_operator.controller import log_budget
from dind_operator.controller.actions import NOTHING, Plan
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.log_budget import LogBudget
from dind_operator.controller.observe import REPORT_POLL_SECONDS, Reader

KEY = ("team-a", "builder")
IDLE = {"lifetime": {"idleTimeout": "30m"}}
SECONDS = 60.0
LATER = NOW + timedelta(seconds=SECONDS)
LOG = (
    'dind-volume {"version":1,"full":true,"usedBytes":9,"limitBytes":10}\n'
    'dind-activity {"version":1,"idle":true,"idleSeconds":90,"seen":true}\n'
)


class Stub:
    """Cluster and view in one: answers, or refuses to, and keeps what was asked and learnt."""

    def __init__(self, *, live: dict[str, Any] | None = None, failing: bool = False) -> None:
        self.live = live
        self.failing = failing
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.failing:
            raise ClusterError(ErrorClass.RETRY, "no answer")

    async def pod(self, key: tuple[str, str]) -> dict[str, Any] | None:
        self._call("pod")
        return self.live

    async def node(self, name: str) -> dict[str, Any] | None:
        self._call("node")
        return node().manifest

    async def daemon_log_head(self, key: tuple[str, str]) -> str:
        self._call("head")
        return ""

    async def daemon_log_tail(self, key: tuple[str, str]) -> str:
        self._call("tail")
        return LOG

    def learn_pod(self, key: tuple[str, str], manifest: dict[str, Any]) -> None:
        self.calls.append("learn")

    def miss_pod(self, key: tuple[str, str], uid: str) -> None:
        self.calls.append("miss")


def reader(stub: Stub, *, read_logs: bool = True, volume_seconds: float = SECONDS) -> Reader:
    logs = LogBudget() if read_logs else None
    return Reader(stub, stub, logs=logs, volume_seconds=volume_seconds)  # type: ignore[arg-type]


def settled(fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The environment of a pod that runs and of which all is told."""
    made = environment(fields)
    told = {"type": "IsolationVerified", "status": "True", "reason": "IsolationVerified", "message": "m"}
    container = running_pod()["status"]["containerStatuses"][0]
    made["status"] = {
        "podUID": running_pod()["metadata"]["uid"],
        "node": {},
        "docker": {"serverVersion": "26.1.5"},
        "restarts": container["restartCount"],
        "conditions": [told | {"lastTransitionTime": "2025-06-01T11:59:30Z"}],
    }
    return made


async def test_of_a_pod_that_is_well_and_told_of_nothing_is_read() -> None:
    stub = Stub()
    await reader(stub).observe(KEY, observed(settled(), running_pod()))
    assert stub.calls == []


async def test_one_look_at_the_log_tells_of_volume_and_use() -> None:
    stub = Stub()
    looking = reader(stub)
    await looking.observe(KEY, observed(settled(IDLE), running_pod(IDLE)))
    found = await looking.observe(KEY, observed(settled(IDLE), running_pod(IDLE), now=LATER))
    assert stub.calls == ["tail"]
    assert found.volume is not None
    assert found.activity is not None
    assert found.activity.idleSeconds == 90
    assert looking.requeue_after(KEY, found, NOTHING) == SECONDS


@pytest.mark.parametrize(("fields", "read"), [({}, False), (IDLE, True)])
async def test_without_looks_at_volumes_only_an_idle_timeout_is_looked_for(
    fields: dict[str, Any], *, read: bool
) -> None:
    stub = Stub()
    looking = reader(stub, volume_seconds=0)
    for now in (NOW, LATER):
        found = await looking.observe(KEY, observed(settled(fields), running_pod(fields), now=now))
    assert stub.calls == ["tail"] * read
    assert found.volume is None
    assert (found.activity is not None) is read


async def test_without_the_right_no_log_is_read() -> None:
    stub = Stub()
    looking = reader(stub, read_logs=False)
    for now in (NOW, LATER):
        await looking.observe(KEY, observed(environment(IDLE), running_pod(IDLE), now=now))
    assert stub.calls == ["node", "node"]


@pytest.mark.parametrize("fields", [{"operatingMode": "Suspended"}, {"lifetime": {"ttl": "1m"}}])
async def test_where_there_is_to_be_no_pod_one_that_no_watch_tells_of_is_looked_for(fields: dict[str, Any]) -> None:
    over = environment(fields, creationTimestamp="2025-05-01T00:00:00Z")
    stub = Stub(live=pod())
    assert (await reader(stub).observe(KEY, observed(over))).pod == pod()
    assert stub.calls == ["pod", "learn"]
    over["status"] = {"phase": "Suspended"}
    stub = Stub(live=pod())
    assert (await reader(stub).observe(KEY, observed(over))).pod is None
    assert stub.calls == []


async def test_a_pod_without_our_label_is_read_live() -> None:
    seen = pod()
    del seen["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    stub = Stub()
    assert (await reader(stub).observe(KEY, observed(pod=seen))).pod is None
    assert stub.calls == ["pod", "miss"]


async def test_what_is_a_courtesy_holds_up_nothing_and_what_is_not_does() -> None:
    stub = Stub(failing=True)
    found = await reader(stub).observe(KEY, observed(pod=running_pod()))
    assert stub.calls == ["node", "head"]
    assert (found.node, found.daemon) == (None, None)
    with pytest.raises(ClusterError):
        await reader(stub).observe(KEY, observed(pod=failed_pod()))


async def test_lines_that_are_not_in_the_log_yet_are_looked_for_soon_and_not_for_ever() -> None:
    looking = reader(Stub())
    found = await looking.observe(KEY, observed(pod=running_pod()))
    assert looking.requeue_after(KEY, found, NOTHING) == REPORT_POLL_SECONDS
    assert looking.requeue_after(KEY, found, Plan(requeue_after=1.0)) == 1.0
    late = await looking.observe(KEY, observed(pod=running_pod(), now=NOW + timedelta(minutes=6)))
    assert looking.requeue_after(KEY, late, NOTHING) == SECONDS
    looking.forget(KEY)
    assert looking.requeue_after(KEY, late, NOTHING) is None


async def test_the_log_of_a_daemon_that_pulls_images_is_read_until_it_is_ready() -> None:
    fields = {"daemon": {"preload": ["golang:1.24"]}}
    pulling, done = running_pod(fields), running_pod(fields)
    pulling["status"]["containerStatuses"][0]["ready"] = False
    for manifest, read_logs, read in ((pulling, True, True), (done, True, False), (pulling, False, False)):
        stub = Stub()
        seen = observed(settled(fields), manifest)
        await reader(stub, read_logs=read_logs, volume_seconds=0).observe(KEY, seen)
        assert ("tail" in stub.calls) == read


async def test_a_log_that_was_not_read_when_it_was_due_stays_due(monkeypatch: pytest.MonkeyPatch) -> None:
    stub, seen = Stub(), settled(IDLE)
    looking = reader(stub)

    async def hang(key: tuple[str, str]) -> str:
        return await asyncio.Future()

    monkeypatch.setattr(log_budget, "READ_SECONDS", 0.01)
    monkeypatch.setattr(log_budget, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(log_budget, "FIRST_PAUSE", 0.1)
    await looking.observe(KEY, observed(seen, running_pod(IDLE)))
    monkeypatch.setattr(stub, "daemon_log_tail", hang)
    found = await looking.observe(KEY, observed(seen, running_pod(IDLE), now=LATER))
    assert found.activity is None
    wait = looking.requeue_after(KEY, found, NOTHING)
    assert wait is not None
    assert 0.1 <= wait < SECONDS
    assert looking.requeue_after(KEY, found, Plan(requeue_after=0.05)) == 0.05
    monkeypatch.undo()
    await asyncio.sleep(wait)
    found = await looking.observe(KEY, observed(seen, running_pod(IDLE), now=LATER))
    assert found.activity is not None
    assert looking.requeue_after(KEY, found, NOTHING) == SECONDS

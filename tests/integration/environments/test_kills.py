"""The operator killed at each of its writes, before and after the API server did it; another one takes over.

Each story is told once without a death, which gives its end. Then it is told again for every write and both sides of it,
until it has no more writes to die at. What must be the same in the end: one pod, of the last spec; the count of failures and
the last of them; phase and conditions. What must not have happened: a pod too many.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Fault
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments, pods
from tests.integration.harness.proxy import Proxy
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import WAIT_SECONDS, Space, occurred
from tests.kube.api import Api
from tests.kube.client import Object
from tests.kube.eventually import eventually

# So soon a thread that waits sees that it is to end.
_GLANCE_SECONDS = 0.1


class Line:
    """Operators one after another: whoever dies is followed at once, by a thread that waits for that."""

    def __init__(self, start: Operators, space: Space) -> None:
        self._start = start
        self._space = space
        self._over = threading.Event()
        self._operator = self._next()
        self._thread = ThreadPoolExecutor(1, "line")
        self._following = self._thread.submit(self._follow)

    def living(self) -> RunningOperator:
        """The operator of now; a dead one's successor is waited for."""
        eventually(lambda: not self._operator.proxy.dead.is_set(), "a living operator")
        return self._operator

    def close(self) -> None:
        self._over.set()
        self._following.result()
        self._thread.shutdown()

    def _follow(self) -> None:
        while not self._over.is_set():
            if self._operator.proxy.dead.wait(_GLANCE_SECONDS) and not self._over.is_set():
                self._operator.bury()
                self._operator.proxy.stop()
                self._operator = self._next()

    def _next(self) -> RunningOperator:
        return self._start(self._start.proxy(self._space.name)).wait_ready()


@dataclass
class Teller:
    """Tells a story about one environment. Meanwhile the node does its part, and a dead operator is followed."""

    space: Space
    kubelet: Kubelet
    name: str

    def until(self, holds: Callable[[Object], Any], what: str) -> Object:
        """Wait until the status is so."""
        return self.space.wait_status_that(holds, what, self.name)

    def ready(self, other_than: Object | None = None) -> Object:
        """Wait for a pod that is ready and is told to be."""
        before = other_than["metadata"]["uid"] if other_than else None

        def told(status: Object) -> bool:
            # What the daemon's log says comes a write later than the phase.
            running = status.get("phase") == "Running" and "docker" in status
            return running and status.get("podUID") not in (None, before)

        uid = self.until(told, "ready")["podUID"]
        return self.space.wait_pod_that(lambda pod: pod["metadata"]["uid"] == uid, "the one of the status", self.name)

    def change(self, spec: Object) -> None:
        self.space.change(spec, self.name)


def create(teller: Teller) -> None:
    teller.space.create(teller.name)
    teller.ready()


def settled(teller: Teller) -> None:
    """Ready, and the Event about it written, which is the last write."""
    create(teller)
    teller.space.wait_events(bool, "the Event", teller.name)


def suspend_and_resume(teller: Teller) -> None:
    teller.change({"operatingMode": "Suspended"})
    teller.until(lambda status: status["phase"] == "Suspended", "suspended")
    assert teller.space.pod(teller.name) is None
    teller.change({"operatingMode": "Running"})
    teller.ready()


def change(teller: Teller) -> None:
    pod = teller.ready()
    teller.change({"daemon": {"logLevel": "Debug"}})
    teller.ready(other_than=pod)


def fail(teller: Teller) -> None:
    pod = teller.ready()
    teller.kubelet.fail(pod, "Evicted", "the node was low on disk")
    teller.ready(other_than=pod)


def untroubled(status: Object) -> bool:
    return "lastFailure" not in status and "recreations" not in status


def failed_once(status: Object) -> bool:
    return bool(status["recreations"] == 1 and status["lastFailure"]["reason"] == "Evicted")


@dataclass
class Story:
    """Operators die while it is told, not before. `writes`: it has at least so many. `pods`: exactly so many. It ends with
    an Event that the daemon is ready, the last of `readies` of an operator that lives."""

    before: Callable[[Teller], None]
    tell: Callable[[Teller], None]
    ends: Callable[[Object], bool]
    pods: int
    writes: int
    readies: int


STORIES = {
    "create": Story(lambda _: None, create, untroubled, pods=1, writes=4, readies=1),
    "suspend": Story(settled, suspend_and_resume, untroubled, pods=2, writes=6, readies=2),
    "change": Story(settled, change, untroubled, pods=2, writes=5, readies=2),
    "failure": Story(settled, fail, failed_once, pods=2, writes=5, readies=2),
}


@pytest.mark.timeout(400)  # it starts an operator for each write, twice
@pytest.mark.parametrize("story", STORIES)
def test_killed_at_each_write(start: Operators, space: Space, kubelet: Kubelet, story: str) -> None:
    """Whatever write it dies at, on either side, the end is that of an operator that lives."""
    with closing(Line(start, space)) as line, kubelet.serving(space.name):
        die_everywhere(line, space, kubelet, STORIES[story])


def die_everywhere(line: Line, space: Space, kubelet: Kubelet, story: Story) -> None:
    teller = Teller(space, kubelet, "lived")
    story.before(teller)
    story.tell(teller)
    assert occurred(space.wait_event("Ready", "lived", story.readies)) == story.readies
    expected = _essence(space.status("lived"))
    assert story.ends(space.status("lived")), space.status("lived")
    _clear(teller)
    for write in itertools.count(1):
        deaths = 0
        for after in (False, True):
            teller = Teller(space, kubelet, f"w{write}-{'after' if after else 'before'}")
            story.before(teller)
            proxy = line.living().proxy
            death = proxy.die_at(write, after=after)
            story.tell(teller)
            if _died(proxy, death, teller, story.readies):
                deaths += 1
            else:
                proxy.heal()
            status = teller.until(lambda status: _essence(status) == expected, f"in the end as {expected}")
            assert story.ends(status), teller.name
            made = [uid for uid, of in kubelet.seen.items() if of == (space.name, teller.name)]
            assert len(made) == story.pods, f"{teller.name}: {len(made)} pods were made"
            _clear(teller)
        if deaths == 0:  # it has fewer writes than that
            break
    assert write > story.writes


def _died(proxy: Proxy, death: Fault, teller: Teller, readies: int) -> bool:
    """Whether it died at one of its writes. The last is an Event, of which no status tells."""

    def ended() -> bool:
        events = [event for event in teller.space.events(teller.name) if event["reason"] == "Ready"]
        return bool(death.hits) or occurred(events) >= readies

    eventually(ended, "the last write or a death")
    return bool(death.hits) and proxy.dead.wait(WAIT_SECONDS)


def _clear(teller: Teller) -> None:
    teller.space.remove(teller.name)
    teller.space.api.delete(f"{pods(teller.space.name)}/{teller.name}", gracePeriodSeconds=0)


def _essence(status: Object) -> Object:
    """What of a status must not depend on who wrote it when."""
    conditions = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    kept = ("phase", "observedGeneration", "recreations", "restarts", "docker", "daemonImage", "nodeName")
    failure = {key: value for key, value in status.get("lastFailure", {}).items() if key in ("reason", "message")}
    return {"conditions": conditions, "failure": failure, **{key: status.get(key) for key in kept}}


def test_an_environment_deleted_while_no_operator_lives(
    start: Operators, api: Api, space: Space, kubelet: Kubelet
) -> None:
    """Deletion needs no operator: the next one finds nothing and makes nothing."""
    first = start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.kill()
    space.remove()
    kubelet.finish(space.wait_going())
    second = start(resync_seconds=OFTEN).wait_ready()
    second.wait_resyncs(1)
    assert api.items(environments(space.name)) == []
    assert api.items(pods(space.name)) == []
    assert second.proxy.writes() == []

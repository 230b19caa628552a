"""Environments that nobody would write, in batches, against a real API server and a running operator.

Each is refused with a sentence, or gets a condition; the operator lives, logs no traceback, and writes nothing once it has said what
there is to say.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.operator_process import OperatorProcess
from tests.fuzz.agreement import model_refusal, refused_wrongly, slips_through
from tests.fuzz.environments import Environments, Made
from tests.fuzz.jsontext import encode
from tests.integration.harness.calls import Call
from tests.integration.harness.paths import environments, pods
from tests.integration.harness.proxy import Proxy
from tests.integration.harness.space import Space
from tests.kube.client import ApiError, Object
from tests.kube.eventually import eventually

from dind_operator.api.reasons import Reason

BATCH = 300
"""Few enough that the end of each is soon, many enough that they are at work at the same time."""
USERS = 8
WAIT_SECONDS = 120.0
"""Many times what a batch takes."""
RESYNCS = 2
"""So many without a write are rest. The first may have begun before the last write."""
# Of the environments that are stored, one in so many gets another spec after its first condition.
CHANGED = 4
# The number of that other spec: no run has so many objects.
_OTHER = 10_000_000
_JSON_PATCH = "application/json-patch+json"
# Reasons for which the operator does not ask whether the spec is valid.
_STOPPED = {Reason.SUSPENDED, Reason.SUSPENDING, Reason.TTL_EXPIRED, Reason.IDLE_TIMEOUT_EXCEEDED}


@dataclass
class Tally:
    """What became of the objects."""

    objects: int = 0
    refused: int = 0
    stored: int = 0
    changed: int = 0
    invalid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common())
        return (
            f"{self.objects} objects: {self.refused} rejected, {self.stored} accepted, {self.changed} of these changed, "
            f"{self.invalid} with InvalidSpec. Ready: {reasons}"
        )


class FoundError(AssertionError):
    """An object that shows a fault."""

    def __init__(self, seed: int, made: Made, words: str) -> None:
        super().__init__(f"seed {seed}, object {made.number}: {words}\n{made.text()[:20_000]}")


class Fuzz:
    """One run in one namespace."""

    def __init__(self, made: Environments, space: Space, proxy: Proxy, operator: OperatorProcess) -> None:
        self._made = made
        self._space = space
        self._proxy = proxy
        self._operator = operator
        self._path = environments(space.name)
        self._config = made.schema["properties"]["daemon"]["properties"]["config"]
        self._pid = operator.pid
        self.tally = Tally()

    def run(self, objects: int, seconds: float) -> Tally:
        """All objects, or as many as there is time for; a line about each batch."""
        begin = time.monotonic()
        for first in range(0, objects, BATCH):
            self._batch(range(first, min(objects, first + BATCH)))
            passed = time.monotonic() - begin
            print(f"{passed:6.0f} s  {self.tally}; the operator uses {self._operator.rss_mib():.0f} MiB", flush=True)
            if passed > seconds:
                print(f"Stopped after the given {seconds:.0f} s.", flush=True)
                break
        return self.tally

    def _batch(self, numbers: Sequence[int]) -> None:
        with ThreadPoolExecutor(USERS) as users:
            stored = [made for made in users.map(self._create, numbers) if made is not None]
            self._judge(stored)
            changed = dict(made for made in users.map(self._change, stored[::CHANGED]) if made is not None)
        for reason, invalid in self._judge([changed.get(made.number, made) for made in stored]):
            self.tally.reasons[reason] += 1
            self.tally.invalid += invalid
        self._is_at_rest()
        self._lives(numbers)
        self.tally.objects += len(numbers)
        self.tally.stored += len(stored)
        self._clear(stored)

    # Writing

    def _create(self, number: int) -> Made | None:
        """The object if it is stored."""
        made = self._made[number]
        try:
            self._space.api.call("POST", self._path, encode(made.body))
        except ApiError as error:
            self._is_refused_well(made, error)
            self.tally.refused += 1
            return None
        return made

    def _change(self, before: Made) -> tuple[int, Made] | None:
        """Another spec for a stored object."""
        other = self._made[_OTHER + before.number]
        body = {**before.body, "spec": other.body["spec"]}
        made = Made(before.number, other.kind, body)
        change = [{"op": "replace", "path": "/spec", "value": body["spec"]}]
        try:
            self._space.api.call(
                "PATCH", f"{self._path}/{before.body['metadata']['name']}", encode(change), content_type=_JSON_PATCH
            )
        except ApiError as error:
            if error.code != 404:  # it may have expired
                self._is_refused_well(made, error)
            return None
        self.tally.changed += 1
        return before.number, made

    def _is_refused_well(self, made: Made, error: ApiError) -> None:
        words = refused_wrongly(error, made.body)
        if words is not None:
            raise FoundError(self._made.seed, made, words)

    # Judging

    def _judge(self, stored: Sequence[Made]) -> list[tuple[str, bool]]:
        """Waits until the operator has said something of each, and compares that with what the models say. Returns the reasons of
        Ready, and whether each is invalid."""
        wanted = {made.body["metadata"]["name"] for made in stored}

        def all_said(items: list[Object]) -> bool:
            assert self._runs(), "the operator ended"
            return not any(_unsaid(item) for item in items if item["metadata"]["name"] in wanted)

        try:
            found = self._space.api.wait_items(
                self._path, all_said, "a condition of each", WAIT_SECONDS, lambda: self._operator.log()[-3000:]
            )
        except AssertionError as late:
            names = [item["metadata"]["name"] for item in self._space.api.items(self._path) if _unsaid(item)]
            one = next((made for made in stored if made.body["metadata"]["name"] in names), stored[0])
            raise FoundError(self._made.seed, one, f"{len(names)} have no condition: {names[:20]}\n{late}") from late
        by_name = {made.body["metadata"]["name"]: made for made in stored}
        said = [(by_name.get(item["metadata"]["name"]), item) for item in found]
        return [self._compare(made, item) for made, item in said if made is not None]

    def _compare(self, made: Made, item: Object) -> tuple[str, bool]:
        ready = _ready(item)
        if not ready.get("message"):
            raise FoundError(self._made.seed, made, f"{ready} has no message")
        refusal = model_refusal(item)
        # Of an environment that has a pod already, another condition than Ready says so.
        invalid = any(one["reason"] == Reason.INVALID_SPEC for one in item["status"]["conditions"])
        if invalid != (refusal is not None) and ready["reason"] not in _STOPPED:
            raise FoundError(
                self._made.seed,
                made,
                f"The conditions are {item['status']['conditions']}; the error of the models is: {refusal}",
            )
        if refusal is not None and not slips_through(item, self._config):
            raise FoundError(self._made.seed, made, f"The API server accepted it, and the models reject it: {refusal}")
        return ready["reason"], invalid

    def _lives(self, numbers: Sequence[int]) -> None:
        log = self._operator.log()
        bad = [line for line in log.splitlines() if "Traceback" in line or '"level": "error"' in line]
        where = f"seed {self._made.seed}, objects {numbers[0]} to {numbers[-1]}"
        assert not bad, f"{where}: the operator logs\n" + "\n".join(bad[:5])[:8000]
        assert self._runs(), f"{where}: the operator ended:\n{log[-5000:]}"

    def _runs(self) -> bool:
        # One that ended and is waited for by nobody has no program.
        return Path(f"/proc/{self._pid}/exe").exists()

    def _is_at_rest(self) -> None:
        """Of what is as it was the operator writes nothing, however often it looks: sooner or later resyncs pass without a write."""
        done, calls, first = -1, 0, 0

        def rests() -> bool:
            nonlocal done, calls, first
            writes = self._proxy.writes()
            written = sum(1 for call in writes if call.code and not _is_refused(call))
            if written != done:
                done, calls, first = written, len(writes), self._resyncs()
            return self._resyncs() - first > RESYNCS

        eventually(rests, f"seed {self._made.seed}: {RESYNCS} resyncs without a write", WAIT_SECONDS, self._last_writes)
        # A pod that the API server refused, as for a class that does not exist, is tried again at each resync, and so are the objects
        # of an endpoint. Whether something changed since is not to be seen otherwise.
        late, resyncs = self._proxy.writes()[calls:], self._resyncs() - first
        tried = Counter((call.resource, (call.body or {})["metadata"]["name"]) for call in late if _is_refused(call))
        often = {what: count for what, count in tried.items() if count > resyncs + 1}
        assert not often, (
            f"seed {self._made.seed}: refused, and tried more than once in each of {resyncs} resyncs: {often}"
        )

    def _last_writes(self) -> str:
        writes = [call for call in self._proxy.writes() if not _is_refused(call)]
        return "\n".join(f"{call} {json.dumps(call.body)[:500]}" for call in writes[-10:])

    def _resyncs(self) -> int:
        return self._proxy.count(lambda call: call.verb == "list" and "limit" in call.query and call.resource == "pods")

    def _clear(self, stored: Sequence[Made]) -> None:
        """Deletes the batch."""
        for made in stored:
            if "finalizers" in made.body["metadata"]:
                change = {"metadata": {"finalizers": None}}
                self._space.api.patch(f"{self._path}/{made.body['metadata']['name']}", change)
        self._space.api.delete(self._path, propagationPolicy="Background")
        self._space.api.wait_items(self._path, lambda items: not items, "no environments", WAIT_SECONDS)
        # What remains is the garbage collector's, which takes its time.
        self._space.api.delete(pods(self._space.name), gracePeriodSeconds=0)
        self._proxy.calls.clear()


def _is_refused(call: Call) -> bool:
    return call.verb == "create" and 400 <= call.code < 500


def _ready(item: Object) -> Object:
    found: Object = next(
        (one for one in item.get("status", {}).get("conditions", []) if one["type"] == "Ready"), {"reason": None}
    )
    return found


def _unsaid(item: Object) -> bool:
    """Whether the operator has said nothing of the present generation. The API server's own first condition is of none."""
    return _ready(item).get("observedGeneration") != item["metadata"]["generation"]

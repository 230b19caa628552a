"""The end of a daemon depends on nothing: a property of the whole reconciler over specs, faults and what a tenant does meanwhile.

At its time to live plus the notice plus a minute no daemon is left that was not told to end. The API server is a model here, with
faults of every kind; tests/integration/environments/test_hostile.py has single ones on a real one.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.controller.world import merge
from tests.unit.objects import NOW, POLICY, environment, namespace, node, running_pod

from dind_operator.api.conditions import format_time
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.log_budget import LogBudget
from dind_operator.controller.reconciler import Reconciler
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.manager.cache import ClusterView
from dind_operator.manager.workqueue import JITTER, MAX_BACKOFF
from dind_operator.state.cluster import Event, Key, ObjectKind
from dind_operator.state.observed import Policy
from dind_operator.state.periods import REAL

KEY = ("team-a", "builder")
CREATED = NOW - timedelta(minutes=50)
TTL = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NESTED: Any = 1
for _ in range(40):
    NESTED = [NESTED]

# What a tenant may make of the rest of the spec.
SPECS: list[dict[str, Any]] = [
    {},
    {"unknown": "field"},
    {"daemon": "no object"},
    {"daemon": {"config": {"x": NESTED}}},
    {"daemon": {"config": {"registry-mirrors": ["https://m.example.com/" + "x" * 600]}}},
    {"network": {"avoid": ["999.0.0.0/8"]}},
    {"endpoint": {"enabled": False}},
    {"security": {"cloudMetadata": "Open"}},
    {"disruptionPolicy": "Protect"},
    {"workloads": {"containers": [{"name": "work", "image": "i"}]}},
    {"updatePolicy": "OnDelete", "endpoint": {"credentialsGeneration": 7}},
]
LIFETIMES: list[dict[str, Any]] = [
    {"ttl": "1h"},
    {"ttl": "1h", "expire": "Delete"},
    {"ttl": "1h", "idleTimeout": "nonsense"},
    {"ttl": "1h", "expire": "Explode"},
    {"ttl": "1h", "more": 1},
]
ERRORS = [
    ClusterError(ErrorClass.REFUSED, "denied", code=403, server_message="a webhook denied the request"),
    ClusterError(ErrorClass.INVALID, "invalid", code=422, server_message="status is invalid"),
    ClusterError(ErrorClass.RETRY, "failed", code=500, server_message="failed calling webhook"),
    ClusterError(ErrorClass.RETRY, "no response"),
    ClusterError(ErrorClass.CONFLICT, "changed", code=409),
]
PLACES = ("status", "secrets", "services", "networkpolicies", "poddisruptionbudgets", "logs", "nodes", "none")


@dataclass
class Cluster:
    """One environment and its pod. ``broken``: where every call fails, and how. ``annotates``: a tenant writes before each write."""

    now: datetime
    environment_: dict[str, Any] | None
    pod_: dict[str, Any] | None
    view: ClusterView
    broken: tuple[str, ClusterError]
    annotates: bool = False
    told_to_end: bool = False
    version: int = 1000
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def change(self, patch: dict[str, Any]) -> None:
        """A write of the environment, and its news."""
        self.version += 1
        assert self.environment_ is not None
        self.environment_ = merge(self.environment_, patch)
        assert self.environment_ is not None
        self.environment_["metadata"]["resourceVersion"] = str(self.version)
        self.view.environments.report(KEY, copy.deepcopy(self.environment_))

    async def environment(self, _key: Key) -> dict[str, Any] | None:
        return copy.deepcopy(self.environment_)

    async def pod(self, _key: Key) -> dict[str, Any] | None:
        return copy.deepcopy(self.pod_)

    async def node(self, _name: str) -> dict[str, Any] | None:
        self._may_fail("nodes")
        return node().manifest

    async def create_pod(self, _manifest: dict[str, Any]) -> dict[str, Any]:
        raise ClusterError(ErrorClass.REFUSED, "no other pod is made here", code=403)

    async def patch_pod_metadata(self, _key: Key, seen: dict[str, Any], _metadata: Any) -> dict[str, Any]:
        return seen

    async def delete_pod(self, _key: Key, uid: str, *, force: bool) -> None:
        if self.pod_ is None or self.pod_["metadata"]["uid"] != uid:
            raise ClusterError(ErrorClass.NOT_FOUND, "gone", code=404)
        self.told_to_end = True
        self.version += 1
        self.pod_["metadata"] |= {"deletionTimestamp": format_time(self.now), "resourceVersion": str(self.version)}
        self.view.pods.report(KEY, copy.deepcopy(self.pod_))

    async def delete_environment(self, seen: dict[str, Any]) -> None:
        self._interfere()
        self._compare(seen)
        self.environment_ = None
        self.view.environments.forget(KEY, seen["metadata"]["uid"])
        self.told_to_end = True  # by the garbage collector

    async def patch_status(self, _key: Key, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        self._may_fail("status")
        self._interfere()
        self._compare(seen)
        self.change({"status": status})
        return copy.deepcopy(self.environment_ or {})

    async def owned(self, kind: ObjectKind, key: Key) -> dict[str, Any] | None:
        self._may_fail(kind.value)
        return copy.deepcopy(self.objects.get((kind.value, key[1])))

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        self._may_fail(kind.value)
        self.version += 1
        stored = merge(manifest, {"metadata": {"uid": f"u{self.version}", "resourceVersion": str(self.version)}})
        self.objects[kind.value, manifest["metadata"]["name"]] = stored
        return copy.deepcopy(stored)

    replace_owned = create_owned

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        self._may_fail(kind.value)
        self.objects.pop((kind.value, seen["metadata"]["name"]), None)

    async def daemon_log_head(self, _key: Key) -> str:
        self._may_fail("logs")
        return ""

    daemon_log_tail = daemon_log_head

    async def record(self, _environment: dict[str, Any], _event: Event) -> None:
        """Best effort, as in the client."""

    def _may_fail(self, place: str) -> None:
        if self.broken[0] == place:
            raise self.broken[1]

    def _interfere(self) -> None:
        if self.annotates:
            self.change({"metadata": {"annotations": {"a.example/x": str(self.version)}}})

    def _compare(self, seen: dict[str, Any]) -> None:
        live = self.environment_
        if live is None or live["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"]:
            raise ClusterError(ErrorClass.CONFLICT, "changed", code=409)


async def reconciled(
    cluster: Cluster, policy: Policy, end: datetime, changes: dict[int, dict[str, Any]], restarts: set[int]
) -> None:
    """What a queue does until the end of the time: what it is asked to, and after a failure a retry as late as it may be."""
    operator: Reconciler | None = None
    tick = 0
    while cluster.now <= end:
        if tick in changes and cluster.environment_ is not None:
            cluster.change(changes[tick] | {"metadata": {"generation": 2 + tick}})
        if operator is None or tick in restarts:
            operator = Reconciler(
                cluster,  # type: ignore[arg-type]
                cluster.view,
                policy,
                lambda: cluster.now,
                logs=LogBudget(),
                volume_seconds=60,
                endpoint_seconds=60,
            )
        try:
            wait = (await operator.reconcile(KEY)).requeue_after
        except ClusterError:
            wait = None
        latest = MAX_BACKOFF * (1 + JITTER)
        # Nothing is in the way of an earlier one, and a resync does not come so soon.
        cluster.now += timedelta(seconds=max(min(wait or latest, latest), 0.1))
        tick += 1
        # A failed write is tried again every five seconds.
        assert tick < 15 * (end - NOW).total_seconds() / 60 + 60, "it is looked at all the time"


def cluster_of(spec: dict[str, Any], broken: tuple[str, ClusterError], **more: Any) -> Cluster:
    view = ClusterView()
    made = environment(spec, creationTimestamp=format_time(CREATED), resourceVersion="10")
    pod = running_pod()
    view.namespaces.report(("", "team-a"), merge(namespace(), {"metadata": {"resourceVersion": "1"}}))
    view.environments.report(KEY, copy.deepcopy(made))
    view.pods.report(KEY, copy.deepcopy(pod))
    return Cluster(NOW, made, pod, view, broken, **more)


@settings(max_examples=150, deadline=None)
@given(
    lifetime=st.sampled_from(LIFETIMES),
    rest=st.sampled_from(SPECS),
    later=st.dictionaries(st.integers(0, 20), st.sampled_from(SPECS), max_size=3),
    broken=st.tuples(st.sampled_from(PLACES), st.sampled_from(ERRORS)),
    annotates=st.booleans(),
    restarts=st.sets(st.integers(1, 20), max_size=2),
    allowed=st.sampled_from([None, "58m"]),
)
def test_at_its_time_no_daemon_is_left(
    lifetime: dict[str, Any],
    rest: dict[str, Any],
    later: dict[int, dict[str, Any]],
    broken: tuple[str, ClusterError],
    annotates: bool,
    restarts: set[int],
    allowed: str | None,
) -> None:
    rules = PolicyRules.model_validate({"maxTtl": allowed}) if allowed is not None else None
    whole = timedelta(minutes=58) if allowed is not None else TTL
    cluster = cluster_of({"lifetime": lifetime, **rest}, broken, annotates=annotates)
    changes = {tick: {"spec": spec} for tick, spec in later.items()}
    # An operator that restarts where no status can be written begins its warning anew.
    end = CREATED + whole + (1 + len(restarts)) * (REAL.notice + MINUTE)
    asyncio.run(reconciled(cluster, replace(POLICY, policy_rules=rules), end, changes, restarts))
    assert cluster.told_to_end


@pytest.mark.parametrize("place", ["status", "none"])
def test_before_its_time_a_daemon_is_left_alone(place: str) -> None:
    cluster = cluster_of({"lifetime": {"ttl": "1h"}}, (place, ERRORS[0]))
    asyncio.run(reconciled(cluster, POLICY, CREATED + TTL - MINUTE, {}, set()))
    assert not cluster.told_to_end


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error.error_class.value))
@pytest.mark.parametrize("annotates", [False, True])
def test_suspended_it_ends_whatever_becomes_of_its_status(error: ClusterError, annotates: bool) -> None:
    cluster = cluster_of({"operatingMode": "Suspended"}, ("status", error), annotates=annotates)
    asyncio.run(reconciled(cluster, POLICY, NOW + MINUTE, {}, set()))
    assert cluster.told_to_end

"""What the environments of a namespace share: made once, before the first pod; looked at now and then; gone with the last pod."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import NOW, SETTINGS, namespace

from dind_operator.api.conditions import Reason
from dind_operator.api.names import NAMESPACE_POLICY
from dind_operator.controller.api_errors import ClusterError, ErrorClass, StaleError
from dind_operator.controller.namespace_writer import NamespaceObjects
from dind_operator.state.cluster import ObjectKind

KEY, OTHER = ("team-a", "one"), ("team-a", "two")
SECONDS = 60.0
POLICY, SERVICE = (ObjectKind.NETWORK_POLICY, NAMESPACE_POLICY), (ObjectKind.SERVICE, "dind")


class Cluster:
    """Objects by kind and name, and the calls. ``fail``: the error of every write."""

    def __init__(self) -> None:
        self.objects: dict[tuple[ObjectKind, str], dict[str, Any]] = {}
        self.calls: list[str] = []
        self.fail: Exception | None = None
        self.found: dict[str, Any] | None = namespace()
        self.left = True

    async def owned(self, kind: ObjectKind, key: tuple[str, str]) -> dict[str, Any] | None:
        await self._call("get", kind)
        return copy.deepcopy(self.objects.get((kind, key[1])))

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._call("create", kind)
        return self._store(kind, manifest)

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._call("update", kind)
        return self._store(kind, manifest)

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        await self._call("delete", kind)
        del self.objects[kind, seen["metadata"]["name"]]

    async def _call(self, verb: str, kind: ObjectKind) -> None:
        self.calls.append(f"{verb} {kind.value}")
        await asyncio.sleep(0)
        if self.fail is not None and verb != "get":
            raise self.fail

    def _store(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        stored = copy.deepcopy(manifest)
        stored["metadata"] |= {"uid": "u", "resourceVersion": str(len(self.calls))}
        self.objects[kind, manifest["metadata"]["name"]] = stored
        return stored

    def namespace(self, _name: str) -> dict[str, Any] | None:
        return self.found

    def occupied(self, _name: str) -> bool:
        return self.left


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def shared(cluster: Cluster) -> NamespaceObjects:
    return NamespaceObjects(cluster, cluster, SETTINGS, SECONDS)  # type: ignore[arg-type]


async def verified() -> None:
    """The environment is as it was observed."""


async def look(
    shared: NamespaceObjects, key: tuple[str, str] = KEY, after: float = 0, *, creates: bool = True
) -> tuple[Any, bool]:
    return await shared.ensure(key, NOW + timedelta(seconds=after), verified, creates=creates, first=False)


async def test_a_burst_makes_them_once(shared: NamespaceObjects, cluster: Cluster) -> None:
    found = await asyncio.gather(*(look(shared, ("team-a", f"e{number}")) for number in range(20)))
    assert set(found) == {(None, False)}
    assert cluster.objects.keys() == {POLICY, SERVICE}
    assert len(cluster.calls) == 4
    await look(shared, after=4)
    assert len(cluster.calls) == 4


async def test_before_a_pod_is_made_they_are_looked_at_again(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    del cluster.objects[POLICY]
    await look(shared, after=6, creates=False)
    assert POLICY not in cluster.objects
    await look(shared, after=6)
    assert POLICY in cluster.objects


async def test_one_environment_comes_back_for_them(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    await look(shared, OTHER)
    assert shared.wait(KEY, NOW) == SECONDS
    assert shared.wait(OTHER, NOW) is None
    shared.forget(KEY)
    assert shared.wait(KEY, NOW) is None
    await look(shared, OTHER, creates=False)
    assert shared.wait(OTHER, NOW) == SECONDS, "another one does, when the first is gone"
    cluster.objects.clear()
    await look(shared, OTHER, after=SECONDS, creates=False)
    assert cluster.objects.keys() == {POLICY, SERVICE}


async def test_a_service_with_an_address_is_not_the_operators(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    cluster.objects[SERVICE]["spec"]["clusterIP"] = "10.96.0.7"
    problem, _ = await look(shared, after=6)
    assert "has a cluster IP" in problem.message


async def test_an_operator_that_starts_does_not_look_at_every_namespace(
    shared: NamespaceObjects, cluster: Cluster
) -> None:
    await look(shared, creates=False)
    assert cluster.calls == []
    assert shared.wait(KEY, NOW) == SECONDS, "one environment comes back for it"
    await look(shared, after=SECONDS, creates=False)
    assert cluster.objects.keys() == {POLICY, SERVICE}


@pytest.mark.parametrize("place", [POLICY, SERVICE])
async def test_what_was_changed_is_put_back(
    shared: NamespaceObjects, cluster: Cluster, place: tuple[ObjectKind, str]
) -> None:
    await look(shared)
    before = copy.deepcopy(cluster.objects[place]["spec"])
    changes = {POLICY: {"ingress": [{}]}, SERVICE: {"externalIPs": ["192.0.2.1"]}}
    cluster.objects[place]["spec"] |= changes[place]
    assert await look(shared, after=6) == (None, False)
    assert cluster.objects[place]["spec"] == before


@pytest.mark.parametrize("place", [POLICY, SERVICE])
@pytest.mark.parametrize("what", ["labels", "selector", "an environment", "an owner"])
async def test_what_is_somebody_elses_is_named_and_left(
    shared: NamespaceObjects, cluster: Cluster, place: tuple[ObjectKind, str], what: str
) -> None:
    await look(shared)
    theirs = cluster.objects[place]
    if what == "labels":
        theirs["metadata"]["labels"] = {"app": "theirs"}
    elif what == "an environment":
        theirs["metadata"]["labels"]["dind.dev/environment"] = "x"
    elif what == "an owner":
        theirs["metadata"]["ownerReferences"] = [{"kind": "ConfigMap", "name": "x", "controller": True}]
    else:
        theirs["spec"]["podSelector" if place == POLICY else "selector"] = {"app": "theirs"}
    before = copy.deepcopy(theirs)
    problem, retry = await look(shared, after=6)
    assert problem is not None
    assert (problem.reason, retry) == (Reason.ENDPOINT_CONFLICT, False)
    assert f"{place[0].api_kind} {place[1]}" in problem.message
    cluster.left = False
    await shared.release("team-a")
    assert cluster.objects == {place: before}, "and the other one is deleted"


async def test_they_go_with_the_last_pod(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    await shared.release("team-a")
    assert cluster.objects.keys() == {POLICY, SERVICE}, "something is left"
    cluster.left = False
    await shared.release("team-a")
    assert cluster.objects == {}
    assert shared.wait(KEY, NOW) is None


@pytest.mark.parametrize("error", [ErrorClass.NOT_FOUND, ErrorClass.CONFLICT, ErrorClass.RETRY])
async def test_a_deletion_that_fails_is_tried_again_and_one_that_is_late_is_not(
    shared: NamespaceObjects, cluster: Cluster, error: ErrorClass
) -> None:
    await look(shared)
    cluster.left, cluster.fail = False, ClusterError(error, "m")
    if error is ErrorClass.RETRY:
        with pytest.raises(ClusterError):
            await shared.release("team-a")
        cluster.fail = None
        await shared.release("team-a")
        assert cluster.objects == {}
    else:
        await shared.release("team-a")


async def test_who_comes_while_they_go_has_them_made_again(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    cluster.left = False
    leaving = asyncio.create_task(shared.release("team-a"))
    await asyncio.sleep(0)
    cluster.left = True
    assert await look(shared, OTHER) == (None, False)
    await leaving
    assert cluster.objects.keys() == {POLICY, SERVICE}


@pytest.mark.timeout(20)
async def test_who_comes_when_they_have_just_gone_does_not_wait_for_ever(
    shared: NamespaceObjects, cluster: Cluster
) -> None:
    """Between the last request and its answer reaching who made it. It held up the whole operator, with all its cpu."""
    await look(shared)
    cluster.left = False
    gone = asyncio.Event()
    delete = cluster.delete_owned

    async def last(kind: ObjectKind, seen: dict[str, Any]) -> None:
        await delete(kind, seen)
        if not cluster.objects:
            gone.set()

    cluster.delete_owned = last  # type: ignore[method-assign]

    async def newcomer() -> tuple[Any, bool]:
        await gone.wait()
        cluster.left = True
        return await look(shared, OTHER)

    coming = asyncio.create_task(newcomer())
    await asyncio.sleep(0)
    await shared.release("team-a")
    assert await coming == (None, False)
    assert cluster.objects.keys() == {POLICY, SERVICE}


async def test_in_a_namespace_that_is_deleted_nothing_is_done(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    before = len(cluster.calls)
    cluster.left, cluster.found = False, namespace(ending=True)
    await shared.release("team-a")
    assert len(cluster.calls) == before


async def test_a_namespace_that_was_made_again_has_its_own(shared: NamespaceObjects, cluster: Cluster) -> None:
    await look(shared)
    cluster.objects.clear()
    cluster.found = namespace()
    cluster.found["metadata"]["uid"] = "another"
    await look(shared)
    assert cluster.objects.keys() == {POLICY, SERVICE}


async def test_a_refusal_is_told_and_a_failure_tried_again(shared: NamespaceObjects, cluster: Cluster) -> None:
    cluster.fail = ClusterError(ErrorClass.RETRY, "m", code=500, server_message="webhook failed")
    problem, retry = await look(shared)
    assert "webhook failed" in problem.message
    assert retry
    assert await look(shared, OTHER, after=1) == (problem, True), "not asked again at once"
    cluster.fail = None
    assert await look(shared, after=6, creates=False) == (None, False)


async def test_an_error_is_that_of_all_who_wait_and_costs_one_try(shared: NamespaceObjects, cluster: Cluster) -> None:
    """A request that hangs until its timeout must not hang once for each environment."""
    cluster.fail = ClusterError(ErrorClass.RETRY, "no response")
    done = await asyncio.gather(*(look(shared, ("team-a", f"e{n}")) for n in range(5)), return_exceptions=True)
    assert all(isinstance(item, ClusterError) for item in done)
    assert len(cluster.calls) == 4


async def test_for_an_environment_that_is_gone_nothing_is_made(shared: NamespaceObjects, cluster: Cluster) -> None:
    async def gone() -> None:
        raise StaleError

    with pytest.raises(StaleError):
        await shared.ensure(KEY, NOW, gone, creates=True, first=False)
    assert cluster.objects == {}

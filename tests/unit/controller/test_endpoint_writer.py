"""When the endpoint's objects are looked at, and what follows from the answers. The real API server judges the writes
themselves in tests/integration; here a shelf of objects counts the calls.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import CREDENTIALS, NOW, POLICY, environment, namespace, observed, running_pod

from dind_operator.api.conditions import Reason
from dind_operator.api.names import NAMESPACE_POLICY
from dind_operator.controller.api_errors import ClusterError, ErrorClass, StaleError
from dind_operator.controller.endpoint_writer import Endpoints
from dind_operator.features.endpoint.service import selector
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.state.cluster import ObjectKind
from dind_operator.state.observed import EndpointState, Observed, Policy

KEY = ("team-a", "builder")
SHARED = (NAMESPACE_POLICY, "dind")
READS_SHARED = ["get networkpolicies", "get services"]
READS = ["get secrets"] * 3 + ["get networkpolicies"]
SECONDS = 60.0
OFF = {"endpoint": {"enabled": False}}


@dataclass
class Shelf:
    """Objects by kind and name, and the calls that were made. ``refuse``: the error of the next write of that kind."""

    objects: dict[tuple[ObjectKind, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse: dict[tuple[str, ObjectKind], ClusterError] = field(default_factory=dict)
    verified: int = 0

    async def owned(self, kind: ObjectKind, key: tuple[str, str]) -> dict[str, Any] | None:
        self._call("get", kind)
        return copy.deepcopy(self.objects.get((kind, key[1])))

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        self._call("create", kind)
        place = kind, manifest["metadata"]["name"]
        if place in self.objects:
            raise ClusterError(ErrorClass.ALREADY_EXISTS, "exists")
        return self._store(place, manifest)

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        self._call("update", kind)
        place = kind, manifest["metadata"]["name"]
        if self.objects[place]["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise ClusterError(ErrorClass.CONFLICT, "changed")
        return self._store(place, manifest)

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        self._call("delete", kind)
        del self.objects[kind, seen["metadata"]["name"]]

    async def verify(self) -> None:
        self.verified += 1

    def own(self) -> set[tuple[ObjectKind, str]]:
        """The objects of the environment, without those of its namespace."""
        return {(kind, name) for kind, name in self.objects if name not in SHARED}

    def _call(self, verb: str, kind: ObjectKind) -> None:
        self.calls.append(f"{verb} {kind.value}")
        if error := self.refuse.get((verb, kind)):
            raise error

    def _store(self, place: tuple[ObjectKind, str], manifest: dict[str, Any]) -> dict[str, Any]:
        stored = copy.deepcopy(manifest)
        stored["metadata"] |= {"uid": f"uid-{len(self.calls)}", "resourceVersion": str(len(self.calls))}
        self.objects[place] = stored
        return stored

    def names(self) -> set[str]:
        return {name for _, name in self.own()}

    def since(self, before: int) -> list[str]:
        return self.calls[before:]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


class View:
    """A namespace, and whether anything is left in it."""

    def __init__(self, found: dict[str, Any] | None) -> None:
        self.found = found
        self.left = True

    def namespace(self, _name: str) -> dict[str, Any] | None:
        return self.found

    def occupied(self, _namespace: str) -> bool:
        return self.left


def writer(shelf: Shelf, policy: Policy = POLICY) -> Endpoints:
    return Endpoints(shelf, View(namespace()), policy, SECONDS)  # type: ignore[arg-type]


@pytest.fixture
def endpoints(shelf: Shelf) -> Endpoints:
    return writer(shelf)


async def bring(endpoints: Endpoints, shelf: Shelf, seen: Observed) -> EndpointState | None:
    return await endpoints.reconcile(KEY, seen, shelf.verify)


def told(state: EndpointState | None, fields: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """The environment with the status that follows from a state."""
    env = environment(fields or {}, **metadata)
    assert state is not None
    env["status"] = {"observedGeneration": env["metadata"]["generation"]}
    if state.credentials is not None:
        env["status"]["credentials"] = state.credentials.status("builder")
    return env


async def test_the_first_environment_of_a_namespace_makes_what_all_share(endpoints: Endpoints, shelf: Shelf) -> None:
    state = await bring(endpoints, shelf, observed())
    assert shelf.calls[:4] == [*READS_SHARED, "create networkpolicies", "create services"]
    assert shelf.objects.keys() >= {(ObjectKind.NETWORK_POLICY, NAMESPACE_POLICY), (ObjectKind.SERVICE, "dind")}
    assert state is not None
    assert state.problem is None


async def test_a_new_environment_takes_three_calls_at_once_and_no_read(endpoints: Endpoints, shelf: Shelf) -> None:
    other = environment(uid="other", name="other")
    await endpoints.reconcile(("team-a", "other"), observed(other), shelf.verify)
    before, shelf.verified = len(shelf.calls), 0
    state = await bring(endpoints, shelf, observed())
    assert shelf.since(before) == ["create secrets"] * 3
    assert state is not None
    assert state.problem is None
    assert state.credentials is not None
    assert state.verified
    assert shelf.verified == 1


async def test_the_next_rounds_read_nothing_and_remember(endpoints: Endpoints, shelf: Shelf) -> None:
    first = await bring(endpoints, shelf, observed())
    before = len(shelf.calls)
    again = await bring(endpoints, shelf, observed(pod=running_pod()))
    assert shelf.since(before) == []
    assert again is not None
    assert first is not None
    assert again.credentials == first.credentials
    assert not again.verified, "the environment was not read for this one"


async def test_it_is_looked_at_from_time_to_time(endpoints: Endpoints, shelf: Shelf) -> None:
    state = await bring(endpoints, shelf, observed())
    env, pod = told(state), running_pod()
    await bring(endpoints, shelf, observed(env, pod))
    del shelf.objects[ObjectKind.SECRET, "builder-client"]
    before = len(shelf.calls)
    await bring(endpoints, shelf, observed(env, pod, now=NOW + timedelta(seconds=SECONDS - 1)))
    assert shelf.since(before) == []
    after = await bring(endpoints, shelf, observed(env, pod, now=NOW + timedelta(seconds=SECONDS)))
    assert shelf.since(before) == [*READS_SHARED, *READS, "create secrets"]
    assert after is not None
    assert state is not None
    assert after.credentials is not None
    assert state.credentials is not None
    assert after.credentials.server == state.credentials.server
    assert endpoints.wait(KEY, NOW + timedelta(seconds=SECONDS)) == SECONDS


async def test_an_operator_that_starts_looks_at_no_environment_that_is_well(shelf: Shelf) -> None:
    """Or all would be read at once."""
    env = told(await bring(writer(shelf), shelf, observed()))
    before = len(shelf.calls)
    started = writer(shelf)
    assert await bring(started, shelf, observed(env, running_pod())) is None
    assert shelf.since(before) == []
    assert await bring(started, shelf, observed(env, running_pod(), now=NOW + timedelta(seconds=SECONDS))) is not None


async def test_before_a_pod_is_made_it_is_looked_at(endpoints: Endpoints, shelf: Shelf) -> None:
    env = told(await bring(endpoints, shelf, observed()))
    del shelf.objects[ObjectKind.SECRET, "builder-server"]
    await bring(endpoints, shelf, observed(env, None))
    assert "builder-server" in shelf.names()


async def test_suspended_it_is_kept_and_not_looked_at_all_the_time(endpoints: Endpoints, shelf: Shelf) -> None:
    state = await bring(endpoints, shelf, observed())
    fields = {"operatingMode": "Suspended"}
    env = told(state, fields, generation=2)
    env["status"]["observedGeneration"] = 2
    before = len(shelf.calls)
    assert await bring(endpoints, shelf, observed(env, None)) is None
    assert shelf.since(before) == []


EXPIRED = {"lifetime": {"ttl": "1h"}}
LONG_AGO = "2025-05-01T00:00:00Z"


async def test_expired_it_is_kept_like_suspended(endpoints: Endpoints, shelf: Shelf) -> None:
    """At rest it is looked at from time to time, as that one is, and what is missing comes back."""
    state = await bring(endpoints, shelf, observed())
    env = told(state, EXPIRED, creationTimestamp=LONG_AGO)
    env["status"] |= {"phase": "Suspended", "lifetime": {"expired": {"reason": "TTLExpired", "time": LONG_AGO}}}
    before, names = len(shelf.calls), shelf.names()
    assert await bring(endpoints, shelf, observed(env, None)) is not None
    assert shelf.since(before) == []
    assert shelf.names() == names
    del shelf.objects[ObjectKind.SECRET, "builder-client"]
    await bring(endpoints, shelf, observed(env, None, now=NOW + timedelta(seconds=SECONDS)))
    assert shelf.names() == names


async def test_for_what_is_about_to_be_deleted_nothing_is_made(endpoints: Endpoints, shelf: Shelf) -> None:
    over = {"expired": {"reason": "TTLExpired", "time": LONG_AGO}}
    env = environment({"lifetime": {"ttl": "1h", "expire": "Delete"}}, creationTimestamp=LONG_AGO)
    env["status"] = {"lifetime": over}
    assert await bring(endpoints, shelf, observed(env, None)) is None
    assert shelf.calls == []
    env["spec"]["lifetime"]["ttl"] = "365d"
    assert await bring(endpoints, shelf, observed(env, None)) is not None


@pytest.mark.parametrize("why", ["closed", "unreadable", "about to be deleted"])
async def test_where_nothing_is_done_no_look_is_waited_for(endpoints: Endpoints, shelf: Shelf, why: str) -> None:
    env = told(await bring(endpoints, shelf, observed()))
    later = NOW + timedelta(seconds=SECONDS)
    await bring(endpoints, shelf, observed(env, running_pod()))
    assert endpoints.wait(KEY, later) is not None
    before = len(shelf.calls)
    if why == "unreadable":
        env["spec"]["unknown"] = 1
    if why == "about to be deleted":
        env["metadata"]["creationTimestamp"] = LONG_AGO
        env["spec"]["lifetime"] = {"ttl": "1h", "expire": "Delete"}
        env["status"]["lifetime"] = {"expired": {"reason": "TTLExpired", "time": LONG_AGO}}
    seen = observed(env, running_pod(), space=namespace(labelled=why != "closed"), now=later)
    assert await bring(endpoints, shelf, seen) is None
    # What closes the pod is looked at for as long as it is there, where the operator may do anything at all.
    assert endpoints.wait(KEY, later) == (None if why == "closed" else SECONDS)
    assert shelf.since(before) == ([] if why == "closed" else READS_SHARED)


async def test_what_the_policy_forbids_gets_none_and_what_runs_keeps_its_own(shelf: Shelf) -> None:
    rules = PolicyRules.model_validate({"modes": ["UserNamespace"]})
    endpoints = writer(shelf, replace(POLICY, policy_rules=rules))
    assert await bring(endpoints, shelf, observed()) is None
    assert shelf.calls == []
    assert await bring(endpoints, shelf, observed(pod=running_pod())) is not None
    assert "builder-client" in shelf.names()


@pytest.mark.parametrize("ruled", [True, False])
async def test_the_rule_for_metadata_holds_for_what_runs(shelf: Shelf, ruled: bool) -> None:
    rules = PolicyRules.model_validate({"cloudMetadata": ["Closed"]} if ruled else {})
    endpoints = writer(shelf, replace(POLICY, policy_rules=rules))
    env = told(await bring(endpoints, shelf, observed()))
    assert "builder" not in shelf.names()
    env["spec"] = {"security": {"cloudMetadata": "Open"}}
    env["metadata"]["generation"] = 2
    await bring(endpoints, shelf, observed(env, running_pod()))
    assert ("builder" not in shelf.names()) is ruled
    assert "except" in str(shelf.objects[ObjectKind.NETWORK_POLICY, NAMESPACE_POLICY]["spec"]["egress"])


async def test_without_rights_on_secrets_none_is_touched(shelf: Shelf) -> None:
    """Neither of what ran before, nor of what has no endpoint; the NetworkPolicy of published ports is kept as ever."""
    endpoints = writer(shelf, replace(POLICY, serves_endpoints=False))
    assert await bring(endpoints, shelf, observed(pod=running_pod(credentials=CREDENTIALS))) is None
    assert endpoints.wait(KEY, NOW) == SECONDS, "for what closes its pod"
    assert shelf.calls == []
    env = environment({**OFF, "publishedPorts": {"allowFrom": [{"podSelector": {}}]}}, generation=2)
    state = await bring(endpoints, shelf, observed(env))
    assert state is not None
    assert state.problem is None
    shared = [*READS_SHARED, "create networkpolicies", "create services"]
    assert shelf.calls == [*shared, "get networkpolicies", "create networkpolicies"]


async def test_a_namespace_that_is_not_seen_yet_is_open_where_all_are(shelf: Shelf) -> None:
    """The plan makes the pod then, which would not start without its Secret."""
    seen = replace(observed(), namespace=None)
    for required in (True, False):
        policy = replace(POLICY, require_namespace_label=required)
        state = await bring(writer(shelf, policy), shelf, seen)
        assert (state is None) is required


async def test_a_change_of_the_spec_is_looked_at(endpoints: Endpoints, shelf: Shelf) -> None:
    env = told(await bring(endpoints, shelf, observed()), {"endpoint": {"credentialsGeneration": 2}})
    env["metadata"]["generation"] = 2
    before = len(shelf.calls)
    state = await bring(endpoints, shelf, observed(env, running_pod()))
    assert [call for call in shelf.since(before) if "get" not in call] == ["update secrets"] * 3
    assert state is not None
    assert state.credentials is not None
    assert state.credentials.generation == 2


async def test_what_is_in_the_way_of_a_new_one_is_read_the_next_time(endpoints: Endpoints, shelf: Shelf) -> None:
    conflict = {"metadata": {"name": "builder-client", "uid": "x", "resourceVersion": "1"}, "data": {}}
    shelf.objects[ObjectKind.SECRET, "builder-client"] = conflict
    with pytest.raises(StaleError):
        await bring(endpoints, shelf, observed())
    state = await bring(endpoints, shelf, observed())
    assert state is not None
    assert state.problem is not None
    assert state.problem.reason is Reason.ENDPOINT_CONFLICT
    assert "builder-client" in state.problem.message
    assert "controlled by no owner" in state.problem.message
    assert not state.passing
    assert shelf.objects[ObjectKind.SECRET, "builder-client"] == conflict


async def test_what_an_earlier_environment_left_is_waited_for(endpoints: Endpoints, shelf: Shelf) -> None:
    await bring(endpoints, shelf, observed())
    other = writer(shelf)
    env = environment(uid="another")
    with pytest.raises(StaleError):
        await bring(other, shelf, observed(env))
    state = await bring(other, shelf, observed(env))
    assert state is not None
    assert state.problem is not None
    assert (state.problem.reason, state.passing) == (Reason.WAITING_FOR_PREVIOUS_POD, True)
    for place in shelf.own():
        del shelf.objects[place]
    state = await bring(other, shelf, observed(env))
    assert state is not None
    assert state.problem is None


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_a_refusal_is_told_with_the_servers_words(endpoints: Endpoints, shelf: Shelf, verb: str) -> None:
    words = 'secrets is forbidden: User "x" cannot get resource "secrets"'
    refusal = ClusterError(ErrorClass.REFUSED, "m", Reason.FORBIDDEN, code=403, server_message=words)
    shelf.refuse[verb, ObjectKind.SECRET] = refusal
    env = environment(generation=2)
    state = await bring(endpoints, shelf, observed(env))
    assert state is not None
    assert state.problem is not None
    assert state.problem.reason is Reason.ENDPOINT_OBJECT_REJECTED
    assert words in state.problem.message
    shelf.refuse.clear()
    again = await bring(endpoints, shelf, observed(env))
    assert again is not None
    assert again.problem is None


async def test_what_was_refused_is_not_said_to_be_there(endpoints: Endpoints, shelf: Shelf) -> None:
    """Or the pod would be taken away for a certificate that no Secret holds."""
    first = await bring(endpoints, shelf, observed())
    env = told(first, {"endpoint": {"credentialsGeneration": 2}})
    env["metadata"]["generation"] = 2
    shelf.refuse["update", ObjectKind.SECRET] = ClusterError(
        ErrorClass.REFUSED, "m", Reason.FORBIDDEN, server_message="quota"
    )
    state = await bring(endpoints, shelf, observed(env, running_pod()))
    assert state is not None
    assert first is not None
    assert state.problem is not None
    assert state.credentials == first.credentials


async def test_a_removal_that_was_refused_is_tried_again(endpoints: Endpoints, shelf: Shelf) -> None:
    env = told(await bring(endpoints, shelf, observed()), OFF)
    env["metadata"]["generation"] = 2
    refusal = ClusterError(ErrorClass.REFUSED, "m", Reason.FORBIDDEN, server_message="not allowed")
    shelf.refuse["delete", ObjectKind.SECRET] = refusal
    state = await bring(endpoints, shelf, observed(env))
    assert state is not None
    assert state.problem is not None
    assert shelf.names() == {"builder-ca", "builder-server", "builder-client"}
    shelf.refuse.clear()
    await bring(endpoints, shelf, observed(told(state, OFF, generation=2)))
    assert shelf.names() == set()


@pytest.mark.parametrize("kind", [ErrorClass.RETRY, ErrorClass.NAMESPACE_TERMINATING])
async def test_what_may_pass_is_tried_again(endpoints: Endpoints, shelf: Shelf, kind: ErrorClass) -> None:
    shelf.refuse["create", ObjectKind.SERVICE] = ClusterError(kind, "not now")
    with pytest.raises(ClusterError, match="not now"):
        await bring(endpoints, shelf, observed())


async def test_turned_off_all_goes_and_then_nothing_is_looked_at(endpoints: Endpoints, shelf: Shelf) -> None:
    env = told(await bring(endpoints, shelf, observed()), OFF)
    env["metadata"]["generation"] = 2
    state = await bring(endpoints, shelf, observed(env, running_pod()))
    assert shelf.names() == set()
    assert state == EndpointState(verified=True)
    at_rest = told(state, OFF, generation=2)
    before = len(shelf.calls)
    for hours in range(3):
        await bring(endpoints, shelf, observed(at_rest, running_pod(OFF), now=NOW + timedelta(hours=hours)))
    assert shelf.since(before) == READS_SHARED * 2, "what all share is looked at for as long as there are pods"


async def test_while_what_closes_pods_is_refused_no_pod_is_made_and_no_policy_is_touched(shelf: Shelf) -> None:
    """Neither where the environment has a problem of its own, nor where it needs nothing."""
    words = "exceeded quota"
    shelf.refuse["create", ObjectKind.NETWORK_POLICY] = ClusterError(
        ErrorClass.REFUSED, "m", Reason.FORBIDDEN, code=403, server_message=words
    )
    shelf.refuse["delete", ObjectKind.NETWORK_POLICY] = shelf.refuse["create", ObjectKind.NETWORK_POLICY]
    old = {"podSelector": {"matchLabels": selector("builder")}}
    owner = environment(OFF)["metadata"]["uid"]
    reference = [{"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment", "uid": owner, "controller": True}]
    metadata = {"name": "builder", "uid": "old", "resourceVersion": "1", "ownerReferences": reference}
    shelf.objects[ObjectKind.NETWORK_POLICY, "builder"] = {"metadata": metadata, "spec": old}
    env = environment(OFF, generation=2)
    state = await bring(writer(shelf), shelf, observed(env))
    assert state is not None
    assert state.problem is not None
    assert words in state.problem.message
    assert state.blocks
    running = await bring(writer(shelf), shelf, observed(env, running_pod(OFF)))
    assert running is not None
    assert running.problem is not None
    assert "delete networkpolicies" not in shelf.calls
    shelf.refuse.clear()
    await bring(writer(shelf), shelf, observed(env, running_pod(OFF)))
    assert "builder" not in shelf.names(), "the one of the namespace is there, so this one goes"


async def test_what_closes_a_pod_is_kept_although_its_environment_is_invalid(
    endpoints: Endpoints, shelf: Shelf
) -> None:
    env = environment({"unknown": "field"})
    for seconds in (0, SECONDS):
        seen = observed(env, running_pod(), now=NOW + timedelta(seconds=seconds))
        assert await bring(endpoints, shelf, seen) is None
    assert (ObjectKind.NETWORK_POLICY, NAMESPACE_POLICY) in shelf.objects


async def test_a_failure_of_what_all_share_costs_each_environment_nothing(endpoints: Endpoints, shelf: Shelf) -> None:
    shelf.refuse["create", ObjectKind.SERVICE] = ClusterError(ErrorClass.RETRY, "m", code=500, server_message="webhook")
    state = await bring(endpoints, shelf, observed())
    assert state is not None
    assert (state.problem is not None, endpoints.wait(KEY, NOW)) == (True, 5.0)
    before = len(shelf.calls)
    for name in ("two", "three"):
        await endpoints.reconcile(("team-a", name), observed(environment(name=name, uid=name)), shelf.verify)
    assert shelf.since(before) == []


async def test_turned_off_under_a_pod_that_listens_the_rest_goes_with_the_pod(
    endpoints: Endpoints, shelf: Shelf
) -> None:
    first = await bring(endpoints, shelf, observed())
    assert first is not None
    pod = running_pod(credentials=first.credentials)
    env = told(first, OFF)
    env["metadata"]["generation"] = 2
    state = await bring(endpoints, shelf, observed(env, pod))
    assert shelf.names() == {"builder-server"}
    env = told(state, OFF, generation=2)
    assert "credentials" in env["status"], "told, so that it is looked at again"
    assert await bring(endpoints, shelf, observed(env, None)) == EndpointState(verified=True)
    assert shelf.names() == set()


async def test_made_without_one_it_costs_only_what_all_share(endpoints: Endpoints, shelf: Shelf) -> None:
    await bring(endpoints, shelf, observed(environment(OFF)))
    assert shelf.calls == [*READS_SHARED, "create networkpolicies", "create services"]


@pytest.mark.parametrize(
    "seen",
    [
        observed(space=namespace(labelled=False)),
        observed(space=namespace(ending=True)),
        observed(environment(deletionTimestamp="2025-06-01T12:00:00Z")),
        observed(environment({"unknown": "field"})),
        replace(observed(), namespace=None),
    ],
    ids=["closed", "ending", "deleted", "unreadable", "unknown"],
)
async def test_nothing_is_done_where_no_pod_would_be_made(endpoints: Endpoints, shelf: Shelf, seen: Observed) -> None:
    assert await bring(endpoints, shelf, seen) is None
    assert shelf.calls == []


async def test_what_is_gone_is_forgotten(endpoints: Endpoints, shelf: Shelf) -> None:
    await bring(endpoints, shelf, observed())
    endpoints.forget(KEY)
    assert endpoints.wait(KEY, NOW) is None
    await bring(endpoints, shelf, observed(told(EndpointState())))
    assert shelf.calls.count("get secrets") == 3

"""Looks at the endpoint's objects, and brings them to what is wanted. Holds no decisions of its own but when to look.

Secrets are neither listed nor watched, so that a deleted one is noticed only by a look: before a pod is made, when the spec
changes, and from time to time. In between nothing is read. Of what was read only public facts are kept.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SAID, ClusterError, ErrorClass, StaleError
from dind_operator.controller.polling import Looks
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.endpoint import network_policy
from dind_operator.features.endpoint.credentials import told_credentials
from dind_operator.features.endpoint.desired import PARTS, Found, NewKey, Remove, Write, strangers, unwanted, wanted
from dind_operator.features.endpoint.x509 import new_key
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Part
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import EndpointState, Observed, Policy

SECONDS_EACH = 2.0
"""A look is five small reads, about 10 ms of cpu: all of them together take half a hundredth of a core."""
_KINDS = {ObjectKind.SECRET: "Secret", ObjectKind.SERVICE: "Service", ObjectKind.NETWORK_POLICY: "NetworkPolicy"}
_STALE = (ErrorClass.ALREADY_EXISTS, ErrorClass.NOT_FOUND, ErrorClass.CONFLICT)
_ELSE = "give the environment another name, or do without spec.publishedPorts and set spec.endpoint.enabled to false"


@dataclass(frozen=True, slots=True)
class _Memo:
    """What the last look came to, and for which object and spec."""

    uid: str
    generation: int
    state: EndpointState


class Endpoints:
    """The endpoints of all environments. ``seconds`` between two looks at one, at least."""

    def __init__(self, cluster: Cluster, policy: Policy, seconds: float, keys: NewKey = new_key) -> None:
        self._cluster = cluster
        self._policy = policy
        self._new_key = keys
        self._looks = Looks(seconds, SECONDS_EACH)
        self._memos: dict[Key, _Memo] = {}
        self._surprised: set[Key] = set()
        """Where something was in the way that was thought not to be there."""

    def forget(self, key: Key) -> None:
        """The environment is gone."""
        self._looks.forget(key)
        self._memos.pop(key, None)
        self._surprised.discard(key)

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next look; None where there is none."""
        return self._looks.wait(key, now)

    async def bring(self, key: Key, observed: Observed, verify: Callable[[], Awaitable[None]]) -> EndpointState | None:
        """The state after the objects were made what they should be; None if they were not looked at.

        ``verify`` reads the environment live before the first write. Raises StaleError, and ClusterError for what is to be
        tried again.
        """
        environment = self._admitted(observed)
        if environment is None:
            # Nothing will be looked at: a look that stays due would bring the environment up again and again.
            self._looks.forget(key)
            return None
        memo = self._memo(key, environment)
        if not self._to_look(key, environment, observed, memo):
            return replace(memo.state, verified=False) if memo is not None else None
        state = await self._look(key, environment, observed, verify)
        self._memos[key] = _Memo(environment.uid, environment.generation, state)
        self._surprised.discard(key)
        self._looks.done(key, observed.now)
        return state

    def _admitted(self, observed: Observed) -> DindEnvironment | None:
        if not served(observed, self._policy) or lifetimes.to_be_deleted(observed):
            return None
        try:
            environment = DindEnvironment.from_dict(observed.environment)
        except InvalidEnvironment:
            return None
        # What a pod runs with is kept; for one that may not be made nothing is.
        if observed.pod is None and broken(environment, self._policy):
            return None
        return network_policy.closed(environment) if self._closes_metadata() else environment

    def _closes_metadata(self) -> bool:
        """The installation's rule holds for what runs, too: a NetworkPolicy is no part of the pod."""
        rails = self._policy.guard_rails
        return rails is not None and rails.cloud_metadata is not None

    def _memo(self, key: Key, environment: DindEnvironment) -> _Memo | None:
        memo = self._memos.get(key)
        same = memo is not None and (memo.uid, memo.generation) == (environment.uid, environment.generation)
        return memo if same else None

    def _to_look(self, key: Key, environment: DindEnvironment, observed: Observed, memo: _Memo | None) -> bool:
        told = "credentials" in environment.status
        if not network_policy.wanted(environment):
            self._looks.forget(key)
            changed = memo is None and environment.status.get("observedGeneration") != environment.generation
            return changed or told or endpoint.problem(observed) is not None or key in self._surprised
        due = self._looks.due(key, observed.now)
        if due or key in self._surprised:
            return True
        if observed.pod is None and not lifetimes.rests(observed):
            return True
        changed = environment.status.get("observedGeneration") != environment.generation
        return memo is None and (changed or not told)

    async def _look(
        self, key: Key, environment: DindEnvironment, observed: Observed, verify: Callable[[], Awaitable[None]]
    ) -> EndpointState:
        known = told_credentials(observed.environment.get("status") or {})
        try:
            found = await self._read(key, environment)
        except ClusterError as error:
            return EndpointState(known, _refused(error, "read"))
        if not environment.spec.endpoint.enabled:
            return await self._without(key, environment, observed, found, verify)
        goal = wanted(environment, found, observed.now, self._new_key)
        problem = await self._carry_out(key, goal.writes, verify)
        stranger, passing = _stranger(environment, found)
        # What was refused is not there: nobody may be restarted for it.
        held = goal.credentials if problem is None else known
        return EndpointState(held, problem or stranger, passing and problem is None, verified=bool(goal.writes))

    async def _without(
        self,
        key: Key,
        environment: DindEnvironment,
        observed: Observed,
        found: Found,
        verify: Callable[[], Awaitable[None]],
    ) -> EndpointState:
        """No endpoint: what there is of one goes; a guard for published ports stays or is made."""
        known = told_credentials(observed.environment.get("status") or {})
        in_use = endpoint.in_use(observed.pod)
        kept = wanted(environment, found, observed.now, self._new_key).writes
        gone = unwanted(environment, found, in_use=in_use)
        if self._closes_metadata():
            gone = tuple(each for each in gone if each.kind is not ObjectKind.NETWORK_POLICY)
        acts: tuple[Write | Remove, ...] = (*kept, *gone)
        problem = await self._carry_out(key, acts, verify)
        stranger, passing = _stranger(environment, found)
        # Told as long as something is left, so that it is looked at again when the pod is gone.
        left = problem is not None or in_use
        return EndpointState(
            known if left else None, problem or stranger, passing and problem is None, verified=bool(acts)
        )

    async def _read(self, key: Key, environment: DindEnvironment) -> Found:
        unseen = key not in self._memos and not environment.status.get("observedGeneration")
        if unseen and environment.generation == 1 and key not in self._surprised:
            # Made a moment ago: nothing of it can be there, and if there is, creating says so. Saves a start five calls.
            return Found()
        read = await asyncio.gather(*(self._cluster.owned(kind, (key[0], name(key[1]))) for _, kind, name in PARTS))
        return Found(**{part: manifest for (part, _, _), manifest in zip(PARTS, read, strict=True)})

    async def _carry_out(
        self, key: Key, writes: tuple[Write | Remove, ...], verify: Callable[[], Awaitable[None]]
    ) -> Part | None:
        """All at once, so that a start waits for one call only; what the API server refused of it."""
        if not writes:
            return None
        await verify()
        results = await asyncio.gather(*(self._write(write) for write in writes), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, ClusterError):
                raise failure
        errors = [failure for failure in failures if isinstance(failure, ClusterError)]
        if any(error.error_class in _STALE for error in errors):
            self._surprised.add(key)
            raise StaleError from errors[0]
        problems = [_refused(error, "store") for error in errors]
        return problems[0] if problems else None

    async def _write(self, write: Write | Remove) -> None:
        match write:
            case Write(kind, manifest, None):
                await self._cluster.create_owned(kind, manifest)
            case Write(kind, manifest, _):
                await self._cluster.replace_owned(kind, manifest)
            case Remove(kind, seen):
                await self._cluster.delete_owned(kind, seen)


def _refused(error: ClusterError, act: str) -> Part:
    """For a person, if it is a refusal. Raises anything else."""
    if error.error_class not in (ErrorClass.REFUSED, ErrorClass.INVALID):
        raise error
    return Part.false(
        Reason.ENDPOINT_OBJECT_REJECTED,
        f"The API server did not let the operator {act} an object of the endpoint: {clip(error.said, MAX_SAID)}. Have the right, "
        "quota or policy that it names changed, or set spec.endpoint.enabled to false.",
    )


def _stranger(environment: DindEnvironment, found: Found) -> tuple[Part | None, bool]:
    """Whose objects stand in the way, and whether they are about to be removed."""
    others = strangers(environment, found)
    if not others:
        return None, False
    if all(pods.owner_name(manifest) == environment.name for _, manifest in others):
        message = f"Objects of an earlier environment {environment.name} are still being removed."
        return Part.false(Reason.WAITING_FOR_PREVIOUS_POD, message), True
    held = ", ".join(_held(kind, manifest) for kind, manifest in others)
    return Part.false(
        Reason.ENDPOINT_CONFLICT,
        f"Names of the environment's endpoint are taken in the namespace {environment.namespace}, by what is not its own: {held}. "
        f"The operator does not touch it. Delete it, {_ELSE}.",
    ), False


def _held(kind: ObjectKind, manifest: dict[str, Any]) -> str:
    owner = pods.controller(manifest)
    whose = f"owned by {owner.get('kind')} {owner.get('name')}" if owner else "not owned by anything"
    return f"{_KINDS[kind]} {manifest['metadata']['name']} ({whose})"

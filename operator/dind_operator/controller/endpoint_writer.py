"""Looks at the endpoint's objects, and brings them to what is wanted. Holds no decisions of its own but when to look.

Secrets are neither listed nor watched, so that a deleted one is noticed only by a look: before a pod is made, when the spec
changes, and from time to time. In between nothing is read. Of what was read only public facts are kept.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SAID, ClusterError, ErrorClass, StaleError
from dind_operator.controller.owned_objects import Verify, apply
from dind_operator.controller.polling import PollSchedule
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.endpoint import network_policy
from dind_operator.features.endpoint.credentials import reported_credentials
from dind_operator.features.endpoint.desired import PARTS, Found, NewKey, conflicts, unwanted, wanted
from dind_operator.features.endpoint.x509 import new_key
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import EndpointState, Observed, Policy
from dind_operator.state.owned_objects import Change, name_conflict

SECONDS_EACH = 2.0
"""A look is five small reads, about 10 ms of cpu: all of them together take half a hundredth of a core."""
_REMEDY = "give the environment another name, or remove spec.publishedPorts and set spec.endpoint.enabled to false"


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
        self._schedule = PollSchedule(seconds, SECONDS_EACH)
        self._memos: dict[Key, _Memo] = {}
        self._surprised: set[Key] = set()
        """Where something was in the way that was thought not to be there."""

    def forget(self, key: Key) -> None:
        """The environment is gone."""
        self._schedule.forget(key)
        self._memos.pop(key, None)
        self._surprised.discard(key)

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next look; None where there is none."""
        return self._schedule.wait(key, now)

    async def bring(self, key: Key, observed: Observed, verify: Verify) -> EndpointState | None:
        """The state after the objects were made what they should be; None if they were not looked at.

        ``verify`` reads the environment live before the first write. Raises StaleError, and ClusterError for what is to be
        tried again.
        """
        environment = self._admitted(observed)
        if environment is None:
            # Nothing will be looked at: a look that stays due would bring the environment up again and again.
            self._schedule.forget(key)
            return None
        memo = self._memo(key, environment)
        if not self._to_look(key, environment, observed, memo):
            return replace(memo.state, verified=False) if memo is not None else None
        state = await self._look(key, environment, observed, verify)
        self._memos[key] = _Memo(environment.uid, environment.generation, state)
        self._surprised.discard(key)
        self._schedule.done(key, observed.now)
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
        rules = self._policy.policy_rules
        return rules is not None and rules.cloud_metadata is not None

    def _memo(self, key: Key, environment: DindEnvironment) -> _Memo | None:
        memo = self._memos.get(key)
        same = memo is not None and (memo.uid, memo.generation) == (environment.uid, environment.generation)
        return memo if same else None

    def _to_look(self, key: Key, environment: DindEnvironment, observed: Observed, memo: _Memo | None) -> bool:
        told = "credentials" in environment.status
        if not network_policy.wanted(environment):
            self._schedule.forget(key)
            changed = memo is None and environment.status.get("observedGeneration") != environment.generation
            return changed or told or endpoint.problem(observed) is not None or key in self._surprised
        due = self._schedule.due(key, observed.now)
        if due or key in self._surprised:
            return True
        if observed.pod is None and not lifetimes.rests(observed):
            return True
        changed = environment.status.get("observedGeneration") != environment.generation
        return memo is None and (changed or not told)

    async def _look(self, key: Key, environment: DindEnvironment, observed: Observed, verify: Verify) -> EndpointState:
        known = reported_credentials(observed.environment.get("status") or {})
        try:
            found = await self._read(key, environment)
        except ClusterError as error:
            return EndpointState(known, _refused(error, "read"))
        if not environment.spec.endpoint.enabled:
            return await self._without(key, environment, observed, found, verify)
        goal = wanted(environment, found, observed.now, self._new_key)
        problem = await self._apply(key, goal.writes, verify)
        conflict, passing = _conflict(environment, found)
        # What was refused is not there: nobody may be restarted for it.
        held = goal.credentials if problem is None else known
        return EndpointState(held, problem or conflict, passing and problem is None, verified=bool(goal.writes))

    async def _without(
        self,
        key: Key,
        environment: DindEnvironment,
        observed: Observed,
        found: Found,
        verify: Verify,
    ) -> EndpointState:
        """No endpoint: what there is of one goes; a guard for published ports stays or is made."""
        known = reported_credentials(observed.environment.get("status") or {})
        in_use = endpoint.in_use(observed.pod)
        kept = wanted(environment, found, observed.now, self._new_key).writes
        gone = unwanted(environment, found, in_use=in_use)
        if self._closes_metadata():
            gone = tuple(each for each in gone if each.kind is not ObjectKind.NETWORK_POLICY)
        acts: tuple[Change, ...] = (*kept, *gone)
        problem = await self._apply(key, acts, verify)
        conflict, passing = _conflict(environment, found)
        # Told as long as something is left, so that it is looked at again when the pod is gone.
        left = problem is not None or in_use
        return EndpointState(
            known if left else None, problem or conflict, passing and problem is None, verified=bool(acts)
        )

    async def _read(self, key: Key, environment: DindEnvironment) -> Found:
        unseen = key not in self._memos and not environment.status.get("observedGeneration")
        if unseen and environment.generation == 1 and key not in self._surprised:
            # Made a moment ago: nothing of it can be there, and if there is, creating says so. Saves a start five calls.
            return Found()
        read = await asyncio.gather(*(self._cluster.owned(kind, (key[0], name(key[1]))) for _, kind, name in PARTS))
        return Found(**{part: manifest for (part, _, _), manifest in zip(PARTS, read, strict=True)})

    async def _apply(self, key: Key, changes: tuple[Change, ...], verify: Verify) -> Condition | None:
        """What the API server refused."""
        try:
            errors = await apply(self._cluster, changes, verify)
        except StaleError:
            self._surprised.add(key)
            raise
        problems = [_refused(error, "write") for error in errors]
        return problems[0] if problems else None


def _refused(error: ClusterError, act: str) -> Condition:
    """For a person, if it is a refusal. Raises anything else."""
    if error.error_class not in (ErrorClass.REFUSED, ErrorClass.INVALID):
        raise error
    return Condition.false(
        Reason.ENDPOINT_OBJECT_REJECTED,
        f"The API server rejected a request to {act} an object of the endpoint: {clip(error.said, MAX_SAID)}. Ask for the "
        "permission, quota or policy that the message names to be changed, or set spec.endpoint.enabled to false.",
    )


def _conflict(environment: DindEnvironment, found: Found) -> tuple[Condition | None, bool]:
    return name_conflict(environment, conflicts(environment, found), Reason.ENDPOINT_CONFLICT, _REMEDY)

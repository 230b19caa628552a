"""Reconciles the objects of endpoints: Secrets, and the NetworkPolicy. Only the time of the checks is decided here.

Secrets are neither listed nor watched, so a check is needed to notice a deleted one: before a pod is created, when the spec
changes, and periodically. The results of checks contain only public data.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.controller.api_errors import ClusterError, ErrorClass, StaleError
from dind_operator.controller.cache_reader import View
from dind_operator.controller.namespace_writer import NamespaceObjects
from dind_operator.controller.owned_objects import Verify, apply, rejected
from dind_operator.controller.polling import PollSchedule
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.endpoint import network_policy
from dind_operator.features.endpoint.credentials import reported_credentials
from dind_operator.features.endpoint.desired import PARTS, Found, NewKey, conflicts, desired_state, needed, removals
from dind_operator.features.endpoint.x509 import new_key
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import EndpointState, Observed, Policy
from dind_operator.state.owned_objects import Change, name_conflict

RETRY_SECONDS = 5.0
"""After a write that failed at the API server, for example because a webhook does not answer."""
SECONDS_EACH = 2.0
"""A check consists of four small reads and takes about 8 ms of cpu, so all checks together take 0.004 cores."""
_REMEDY = "or give the environment another name"


@dataclass(frozen=True, slots=True)
class _CheckResult:
    """The result of the last check, and the object and spec that were checked."""

    uid: str
    generation: int
    state: EndpointState


class Endpoints:
    """The endpoints of all environments. ``seconds`` is the minimum time between two checks of one endpoint."""

    def __init__(self, cluster: Cluster, view: View, policy: Policy, seconds: float, keys: NewKey = new_key) -> None:
        self._cluster = cluster
        self._shared = NamespaceObjects(cluster, view, policy.build, seconds)
        self._policy = policy
        self._new_key = keys
        self._schedule = PollSchedule(seconds, SECONDS_EACH)
        self._results: dict[Key, _CheckResult] = {}
        self._conflicting: set[Key] = set()
        """Environments for which a write failed because an object differed from the observed state."""
        self._failed: set[Key] = set()
        """Environments for which a write failed at the API server. It is tried again soon, and nothing is concluded from it."""
        self._shared_failed: set[Key] = set()
        """The same for a write of what the environments of the namespace share."""

    def forget(self, key: Key) -> None:
        """Remove the data of a deleted environment."""
        self._schedule.forget(key)
        self._shared.forget(key)
        self._results.pop(key, None)
        self._conflicting.discard(key)
        self._failed.discard(key)
        self._shared_failed.discard(key)

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next check; None without one."""
        if key in self._failed or key in self._shared_failed:
            return RETRY_SECONDS
        return min(filter(None, (self._schedule.wait(key, now), self._shared.wait(key, now))), default=None)

    async def release(self, namespace: str) -> None:
        """Delete what the environments of the namespace shared, if neither an environment nor a pod is left. Raises ClusterError."""
        await self._shared.release(namespace)

    async def reconcile(self, key: Key, observed: Observed, verify: Verify) -> EndpointState | None:
        """The state of the objects after they were reconciled; None if they were not checked.

        ``verify`` reads the environment live before the first write. Raises StaleError, and ClusterError for errors that are
        retried.
        """
        environment = self._admitted(observed)
        if environment is None:
            # A check that stays due would requeue the environment repeatedly.
            self._schedule.forget(key)
            self._shared.forget(key)
            if observed.pod is not None and served(observed, self._policy):
                # What closes a pod does not depend on its environment.
                await self._shared.ensure(key, observed.now, verify, creates=False, first=False)
            return None
        result = self._result(key, environment)
        due = self._check_due(key, environment, observed, result)
        # First what closes the pods: a check may delete the NetworkPolicy that an older operator created for each environment.
        problem, retry = await self._shared.ensure(key, observed.now, verify, creates=_creates(observed), first=due)
        if retry:
            self._shared_failed.add(key)
        else:
            self._shared_failed.discard(key)
        if problem is not None and _creates(observed):
            # No pod is created, and nothing else is needed yet.
            return EndpointState(reported_credentials(dict(environment.status)), problem, passing=retry)
        if due:
            self._failed.discard(key)
            state = await self._check(key, environment, observed, verify, closed=problem is None)
            if key in self._failed:
                state = replace(state, passing=True)
            else:
                self._results[key] = _CheckResult(environment.uid, environment.generation, state)
                self._conflicting.discard(key)
                self._schedule.done(key, observed.now)
        elif result is not None:
            state = replace(result.state, verified=False)
        elif problem is not None:
            state = EndpointState(reported_credentials(dict(environment.status)))
        else:
            return None
        if problem is not None:
            return replace(state, problem=state.problem or problem, passing=retry and state.problem is None)
        return replace(state, blocks=bool(needed(environment))) if state.problem is not None else state

    def _admitted(self, observed: Observed) -> DindEnvironment | None:
        if not served(observed, self._policy) or lifetimes.to_be_deleted(observed):
            return None
        try:
            environment = DindEnvironment.from_dict(observed.environment)
        except InvalidEnvironment:
            return None
        if environment.spec.endpoint.enabled and not self._policy.serves_endpoints:
            return None
        # The endpoint of a running pod is kept, also if the environment violates the policy.
        if observed.pod is None and broken(environment, self._policy):
            return None
        return network_policy.closed(environment) if self._closes_metadata() else environment

    def _closes_metadata(self) -> bool:
        """The rule cloudMetadata of the policy applies to running pods, too, because the NetworkPolicy is not part of the pod."""
        rules = self._policy.policy_rules
        return rules is not None and rules.cloud_metadata is not None

    def _result(self, key: Key, environment: DindEnvironment) -> _CheckResult | None:
        result = self._results.get(key)
        same = result is not None and (result.uid, result.generation) == (environment.uid, environment.generation)
        return result if same else None

    def _check_due(
        self, key: Key, environment: DindEnvironment, observed: Observed, result: _CheckResult | None
    ) -> bool:
        reported = "credentials" in environment.status
        changed = environment.status.get("observedGeneration") != environment.generation
        again = endpoint.problem(observed) is not None or key in self._conflicting or key in self._failed
        if not needed(environment):
            self._schedule.forget(key)
            return again or reported or (result is None and changed)
        if self._schedule.due(key, observed.now) or _creates(observed):
            return True
        return again or (result is None and (changed or not reported))

    async def _check(
        self, key: Key, environment: DindEnvironment, observed: Observed, verify: Verify, *, closed: bool
    ) -> EndpointState:
        """``closed``: the pod has the NetworkPolicy of the namespace. Without it, the one of the environment is left as it is."""
        known = reported_credentials(observed.environment.get("status") or {})
        try:
            found = await self._read(key, environment)
        except ClusterError as error:
            if error.error_class is ErrorClass.RETRY:
                raise
            return EndpointState(known, rejected(error))
        # The names of a running pod do not change. Those of the next one are written before it is created.
        pod = observed.pod
        subdomain = self._policy.build.subdomain if pod is None else pods.subdomain(pod)
        desired = desired_state(environment, found, observed.now, self._new_key, subdomain)
        in_use = endpoint.in_use(pod)
        every: tuple[Change, ...] = (*desired.writes, *removals(environment, found, in_use=in_use))
        changes = tuple(change for change in every if closed or change.kind is not ObjectKind.NETWORK_POLICY)
        problem = await self._apply(key, changes, verify)
        conflict, passing = name_conflict(environment, conflicts(environment, found), Reason.ENDPOINT_CONFLICT, _REMEDY)
        credentials = desired.credentials
        if problem is not None or (in_use and not environment.spec.endpoint.enabled):
            # After an error the Secrets may not contain the new credentials, so no pod is replaced for them. Those of a disabled
            # endpoint are reported until all objects are deleted, so that it is checked again after the pod is gone.
            credentials = known
        return EndpointState(
            credentials, problem or conflict, passing=passing and problem is None, verified=bool(changes)
        )

    async def _read(self, key: Key, environment: DindEnvironment) -> Found:
        unseen = key not in self._results and not environment.status.get("observedGeneration")
        if unseen and environment.generation == 1 and key not in self._conflicting:
            # A new environment has no objects yet. If one exists, its creation fails. This saves four requests.
            return Found()
        # Without the permission for Secrets, those that a previous installation created are deleted with their environment.
        parts = [each for each in PARTS if each[1] is not ObjectKind.SECRET or self._policy.serves_endpoints]
        read = await asyncio.gather(*(self._cluster.owned(kind, (key[0], name(key[1]))) for _, kind, name in parts))
        return Found(**{part: manifest for (part, _, _), manifest in zip(parts, read, strict=True)})

    async def _apply(self, key: Key, changes: tuple[Change, ...], verify: Verify) -> Condition | None:
        """Apply the changes. Returns a condition for the first error."""
        try:
            errors = await apply(self._cluster, changes, verify)
        except StaleError:
            self._conflicting.add(key)
            raise
        if any(error.error_class is ErrorClass.RETRY for error in errors):
            self._failed.add(key)
        problems = [rejected(error) for error in errors]
        return problems[0] if problems else None


def _creates(observed: Observed) -> bool:
    """Whether a pod is about to be created."""
    return observed.pod is None and not lifetimes.stopped(observed)

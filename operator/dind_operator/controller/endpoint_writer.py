"""Reconciles the objects of endpoints: Secrets, Service and NetworkPolicy. Only the time of the checks is decided here.

Secrets are neither listed nor watched, so a check is needed to notice a deleted one: before a pod is created, when the spec
changes, and periodically. The results of checks contain only public data.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SERVER_MESSAGE, ClusterError, ErrorClass, StaleError
from dind_operator.controller.owned_objects import Verify, apply
from dind_operator.controller.polling import PollSchedule
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.endpoint import network_policy
from dind_operator.features.endpoint.credentials import reported_credentials
from dind_operator.features.endpoint.desired import PARTS, Desired, Found, NewKey, conflicts, desired_state, removals
from dind_operator.features.endpoint.x509 import new_key
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import EndpointState, Observed, Policy
from dind_operator.state.owned_objects import Change, name_conflict

RETRY_SECONDS = 5.0
"""After a write that failed at the API server, for example because a webhook does not answer."""
SECONDS_EACH = 2.0
"""A check consists of five small reads and takes about 10 ms of cpu, so all checks together take 0.005 cores."""
_REMEDY = "give the environment another name, or remove spec.publishedPorts and set spec.endpoint.enabled to false"


@dataclass(frozen=True, slots=True)
class _CheckResult:
    """The result of the last check, and the object and spec that were checked."""

    uid: str
    generation: int
    state: EndpointState


class Endpoints:
    """The endpoints of all environments. ``seconds`` is the minimum time between two checks of one endpoint."""

    def __init__(self, cluster: Cluster, policy: Policy, seconds: float, keys: NewKey = new_key) -> None:
        self._cluster = cluster
        self._policy = policy
        self._new_key = keys
        self._schedule = PollSchedule(seconds, SECONDS_EACH)
        self._results: dict[Key, _CheckResult] = {}
        self._conflicting: set[Key] = set()
        """Environments for which a write failed because an object differed from the observed state."""
        self._failed: set[Key] = set()
        """Environments for which a write failed at the API server. It is tried again soon, and nothing is concluded from it."""

    def forget(self, key: Key) -> None:
        """Remove the data of a deleted environment."""
        self._schedule.forget(key)
        self._results.pop(key, None)
        self._conflicting.discard(key)
        self._failed.discard(key)

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next check; None without one."""
        return RETRY_SECONDS if key in self._failed else self._schedule.wait(key, now)

    async def reconcile(self, key: Key, observed: Observed, verify: Verify) -> EndpointState | None:
        """The state of the objects after they were reconciled; None if they were not checked.

        ``verify`` reads the environment live before the first write. Raises StaleError, and ClusterError for errors that are
        retried.
        """
        environment = self._admitted(observed)
        if environment is None:
            # A check that stays due would requeue the environment repeatedly.
            self._schedule.forget(key)
            return None
        result = self._result(key, environment)
        if not self._check_due(key, environment, observed, result):
            return replace(result.state, verified=False) if result is not None else None
        self._failed.discard(key)
        state = await self._check(key, environment, observed, verify)
        if key in self._failed:
            return replace(state, passing=True)
        self._results[key] = _CheckResult(environment.uid, environment.generation, state)
        self._conflicting.discard(key)
        self._schedule.done(key, observed.now)
        return state

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
        if not network_policy.needed(environment):
            self._schedule.forget(key)
            changed = result is None and environment.status.get("observedGeneration") != environment.generation
            return (
                changed
                or reported
                or endpoint.problem(observed) is not None
                or key in {*self._conflicting, *self._failed}
            )
        due = self._schedule.due(key, observed.now)
        if due or key in self._conflicting or key in self._failed:
            return True
        if observed.pod is None and not lifetimes.stopped(observed):
            return True
        changed = environment.status.get("observedGeneration") != environment.generation
        return result is None and (changed or not reported)

    def _desired(self, environment: DindEnvironment, found: Found, now: datetime) -> Desired:
        return desired_state(environment, found, now, self._new_key, self._policy.build.metadata_addresses)

    async def _check(self, key: Key, environment: DindEnvironment, observed: Observed, verify: Verify) -> EndpointState:
        known = reported_credentials(observed.environment.get("status") or {})
        try:
            found = await self._read(key, environment)
        except ClusterError as error:
            if error.error_class is ErrorClass.RETRY:
                raise
            return EndpointState(known, _refused(error, "read"))
        if not environment.spec.endpoint.enabled:
            return await self._disable(key, environment, observed, found, verify)
        desired = self._desired(environment, found, observed.now)
        problem = await self._apply(key, desired.writes, verify)
        conflict, passing = _conflict(environment, found)
        # After an error the Secrets may not contain the new credentials, so no pod is replaced for them.
        credentials = desired.credentials if problem is None else known
        return EndpointState(
            credentials, problem or conflict, passing and problem is None, verified=bool(desired.writes)
        )

    async def _disable(
        self,
        key: Key,
        environment: DindEnvironment,
        observed: Observed,
        found: Found,
        verify: Verify,
    ) -> EndpointState:
        """Delete the objects of a disabled endpoint. The NetworkPolicy for published ports is kept or created."""
        known = reported_credentials(observed.environment.get("status") or {})
        in_use = endpoint.in_use(observed.pod)
        kept = self._desired(environment, found, observed.now).writes
        gone = removals(environment, found, in_use=in_use)
        if self._closes_metadata():
            gone = tuple(each for each in gone if each.kind is not ObjectKind.NETWORK_POLICY)
        changes: tuple[Change, ...] = (*kept, *gone)
        problem = await self._apply(key, changes, verify)
        conflict, passing = _conflict(environment, found)
        # Reported until all objects are deleted, so that the endpoint is checked again after the pod is gone.
        left = problem is not None or in_use
        return EndpointState(
            known if left else None, problem or conflict, passing and problem is None, verified=bool(changes)
        )

    async def _read(self, key: Key, environment: DindEnvironment) -> Found:
        unseen = key not in self._results and not environment.status.get("observedGeneration")
        if unseen and environment.generation == 1 and key not in self._conflicting:
            # A new environment has no objects yet. If one exists, its creation fails. This saves five requests.
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
        problems = [_refused(error, "write") for error in errors]
        return problems[0] if problems else None


def _refused(error: ClusterError, act: str) -> Condition:
    """The condition for a request that the API server rejected, or that it could not serve, for example because a webhook failed.

    Raises other errors. Whatever becomes of the objects of the endpoint, the environment can be suspended and expires.
    """
    failed = error.error_class is ErrorClass.RETRY and (error.code >= 500 or error.reason is Reason.FORBIDDEN)
    if not failed and error.error_class not in (ErrorClass.REFUSED, ErrorClass.INVALID):
        raise error
    return Condition.false(
        Reason.ENDPOINT_OBJECT_REJECTED,
        f"The API server rejected a request to {act} an object of the endpoint: {clip(error.server_message, MAX_SERVER_MESSAGE)}. "
        "Ask for the permission, quota, policy or webhook that the message names to be changed, or set spec.endpoint.enabled to "
        "false.",
    )


def _conflict(environment: DindEnvironment, found: Found) -> tuple[Condition | None, bool]:
    return name_conflict(environment, conflicts(environment, found), Reason.ENDPOINT_CONFLICT, _REMEDY)

"""Reconciliation of one environment: observe, plan, apply, write status. The decisions are in the plan.

The watch cache may be stale: it may contain deleted objects, and it lags behind the writes of the operator. So it is updated with
every object that was read live or written. Before a pod is created or an object is deleted, the environment is read live. If it is
absent, has another uid or is being deleted, nothing is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dind_operator.controller.actions import (
    NOTHING,
    Action,
    CreatePod,
    DeleteEnvironment,
    DeletePod,
    Plan,
    RepairMetadata,
)
from dind_operator.controller.api_errors import ClusterError, ErrorClass, StaleError, failed_action
from dind_operator.controller.api_refusals import refused
from dind_operator.controller.budget_writer import Budgets
from dind_operator.controller.cache_reader import View
from dind_operator.controller.decide import make_plan
from dind_operator.controller.endpoint_writer import Endpoints
from dind_operator.controller.features import requeue
from dind_operator.controller.log_budget import LogBudget
from dind_operator.controller.merge_patch import status_changes
from dind_operator.controller.observe import Reader
from dind_operator.controller.status import surviving
from dind_operator.controller.status_rate import StatusRate
from dind_operator.controller.status_schema import essential, fitted
from dind_operator.features.disruption.condition import reported
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.state import pod_status as pods
from dind_operator.state.cluster import Cluster, Event, Key
from dind_operator.state.observed import Observed, Policy
from dind_operator.state.ownership import conflict, orphaned

MAX_ROUNDS = 4
"""Attempts of one reconciliation with newly observed objects. After that it is retried with the backoff of the queue."""

_VERIFIED = (CreatePod, DeletePod, DeleteEnvironment)
"""Actions before which the environment is read live."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``requeue_after``: seconds until the next reconciliation, None to wait for a change. ``phase`` is for the metrics."""

    requeue_after: float | None = None
    phase: str | None = None


class Reconciler:
    """Reconciles environments, one call at a time for each.

    ``logs``: None if the installation does not let the operator read logs. ``clock_skew``: as in ``Observed``. ``count_misfit`` is
    called for each status of which less is written than was meant.
    """

    def __init__(
        self,
        cluster: Cluster,
        view: View,
        policy: Policy,
        clock: Callable[[], datetime],
        *,
        logs: LogBudget | None = None,
        volume_seconds: float = 0,
        endpoint_seconds: float = 60,
        clock_skew: Callable[[], timedelta] = timedelta,
        count_misfit: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._policy = policy
        self._clock = clock
        self._clock_skew = clock_skew
        self._read_logs = logs is not None
        self._count_misfit = count_misfit
        self._rate = StatusRate()
        # The UID, and the warnings in a status that could not be written. An environment expires without it, too.
        self._unwritten: dict[Key, tuple[str, dict[str, str]]] = {}
        self._reader = Reader(cluster, view, logs=logs, volume_seconds=volume_seconds)
        self._budgets = Budgets(cluster, policy)
        self._endpoints = Endpoints(cluster, view, policy, endpoint_seconds)

    async def reconcile(self, key: Key) -> Outcome:
        """Reconcile one environment. Raises ClusterError if the reconciliation must be retried."""
        for _ in range(MAX_ROUNDS):
            environment = self._view.environment(key)
            if environment is None:
                self._reader.forget(key)
                self._endpoints.forget(key)
                self._rate.forget(key)
                self._unwritten.pop(key, None)
                await self._end_orphan(key)
                await self._endpoints.release(key[0])
                return Outcome()
            try:
                return await self._round(key, environment)
            except StaleError:
                continue
        await self._end_stopped(key)
        raise ClusterError(
            ErrorClass.CONFLICT, f"{key[0]}/{key[1]} changed during each of {MAX_ROUNDS} attempts to reconcile it"
        )

    async def _end_stopped(self, key: Key) -> None:
        """Delete the pod of an environment that is suspended or has expired, although the environment changes again and again."""
        environment, pod = self._view.environment(key), self._view.pod(key)
        if environment is None or pod is None or pods.terminating(pod):
            return
        ours = conflict(pod, environment["metadata"]) is None
        if ours and lifetimes.stopped(self._observed(key, environment)):
            await self._delete_pod(key, pods.uid(pod))

    async def _end_orphan(self, key: Key) -> None:
        """Delete the pod of an environment that is gone and left it behind: nothing else would end it."""
        pod = self._view.pod(key)
        if pod is None or pods.terminating(pod) or not orphaned(pod):
            return
        if await self._cluster.environment(key) is not None:
            return  # a new one of the same name, which the watch has not reported yet
        await self._delete_pod(key, pods.uid(pod))

    async def _delete_pod(self, key: Key, uid: str) -> None:
        """Delete the pod with this UID, if it still exists."""
        try:
            await self._cluster.delete_pod(key, uid, force=False)
        except ClusterError as error:
            if error.error_class not in (ErrorClass.NOT_FOUND, ErrorClass.CONFLICT):
                raise
            self._view.miss_pod(key, uid)

    def _observed(self, key: Key, environment: dict[str, Any]) -> Observed:
        """What the cache and the settings tell of an environment."""
        pod, namespace = self._view.pod(key), self._view.namespace(key[0])
        observed = Observed(environment, pod, namespace, None, None, self._clock())
        uid, warnings = self._unwritten.get(key, ("", {}))
        return replace(
            observed,
            budget=reported(observed),
            reads_logs=self._read_logs,
            clock_skew=self._clock_skew(),
            periods=self._policy.periods,
            max_ttl=self._policy.policy_rules.max_ttl if self._policy.policy_rules is not None else None,
            unwritten_warnings=warnings if uid == environment["metadata"]["uid"] else {},
        )

    async def _round(self, key: Key, environment: dict[str, Any]) -> Outcome:
        observed = self._observed(key, environment)
        passed_over: ClusterError | None = None
        try:
            observed = await self._reader.observe(key, observed)
            try:
                observed = await self._reconcile_owned(key, observed)
            except (ClusterError, StaleError) as error:
                if not lifetimes.stopped(observed):
                    raise
                passed_over = error if isinstance(error, ClusterError) else None
                # Whatever becomes of the objects beside the pod, the pod of an environment that is suspended or expired ends.
        except ClusterError as error:
            await self._end_stopped(key)
            life = lifetimes.of(observed)
            await self._keep_warnings(key, observed, {"lifetime": life.fields}, life.events)
            return await self._finish(key, observed, self._after_error(observed, NOTHING, error))
        outcome = await self._execute(key, observed, make_plan(observed, self._policy))
        if passed_over is not None:
            raise passed_over  # so that the queue waits longer each time
        return outcome

    async def _reconcile_owned(self, key: Key, observed: Observed) -> Observed:
        """Reconcile the owned objects other than the pod; returns what is observed then."""
        budget = await self._budgets.reconcile(key, observed, lambda: self._verify(key, observed))
        state = await self._endpoints.reconcile(key, observed, lambda: self._verify(key, observed))
        return replace(observed, budget=budget, endpoint=state)

    def _requeue_after(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """Seconds until the next reconciliation for polls, for the endpoint and for an expiry."""
        waits = (
            self._reader.requeue_after(key, observed, plan),
            self._endpoints.wait(key, observed.now),
            requeue(observed),
        )
        return min(filter(None, waits), default=None)

    async def _execute(self, key: Key, observed: Observed, plan: Plan) -> Outcome:
        failed: ClusterError | None = None
        try:
            verified = observed.endpoint is not None and observed.endpoint.verified
            if not verified and any(isinstance(action, _VERIFIED) for action in plan.actions):
                await self._verify(key, observed)
            last = DeleteEnvironment() in plan.actions
            if plan.status_first and plan.status is not None:
                observed = await self._store_first(key, observed, plan.status, plan.events if last else ())
            for action in plan.actions:
                await self._apply(key, observed, action)
            if last:
                return Outcome()
            if any(isinstance(action, CreatePod) for action in plan.actions):
                # Observe the new pod first: one write of the status instead of two.
                raise StaleError
        except ClusterError as error:
            plan, failed = self._after_error(observed, plan, error), error
        outcome = await self._finish(key, observed, plan)
        if failed is not None and failed.error_class is ErrorClass.RETRY:
            raise failed
        return outcome

    async def _store_first(
        self, key: Key, observed: Observed, status: dict[str, Any], events: tuple[Event, ...]
    ) -> Observed:
        """Store what cannot be observed after the actions. A daemon ends whatever becomes of that."""
        try:
            # Events of an environment that is deleted must be recorded before the deletion.
            return await self._store(key, observed, surviving(observed.environment.get("status") or {}, status), events)
        except ClusterError:
            if not lifetimes.stopped(observed):
                raise
            return observed
        except StaleError:
            live = self._view.environment(key)
            if live is None or not lifetimes.stopped(replace(observed, environment=live)):
                raise
            return replace(observed, environment=live)

    async def _finish(self, key: Key, observed: Observed, plan: Plan) -> Outcome:
        again = self._requeue_after(key, observed, plan)
        if plan.status is None:
            return Outcome(again)
        subject = observed.environment["metadata"].get("generation"), plan.status.get("podUID")
        # What was read from the log is read once, and the result of workloads must outlive their pod.
        urgent = (
            plan.actions or observed.volume or observed.activity or (plan.status.get("workloads") or {}).get("result")
        )
        wait = None if urgent else self._rate.wait(key, subject, observed.now)
        if wait is not None and status_changes(observed.environment.get("status") or {}, plan.status):
            return Outcome(min(filter(None, (wait, again))))
        if await self._store(key, observed, plan.status, plan.events) is not observed:
            self._rate.written(key, subject, observed.now)
        return Outcome(again, plan.status.get("phase"))

    async def _verify(self, key: Key, observed: Observed) -> None:
        """Read the environment live. Raises StaleError if it differs from the observed one."""
        seen = observed.environment["metadata"]
        live = await self._reader.environment(key, observed.environment)
        if live is None:
            raise StaleError
        metadata = live["metadata"]
        same = (
            metadata["uid"] == seen["uid"]
            and metadata.get("generation") == seen.get("generation")
            and bool(metadata.get("deletionTimestamp")) == bool(seen.get("deletionTimestamp"))
        )
        if not same:
            raise StaleError

    async def _apply(self, key: Key, observed: Observed, action: Action) -> None:
        try:
            match action:
                case CreatePod(manifest):
                    self._view.learn_pod(key, await self._cluster.create_pod(manifest))
                case DeletePod(uid, force):
                    await self._cluster.delete_pod(key, uid, force=force)
                case DeleteEnvironment():
                    await self._cluster.delete_environment(observed.environment)
                case RepairMetadata(metadata):
                    assert observed.pod is not None, "metadata is repaired of a pod that was seen"
                    self._view.learn_pod(key, await self._cluster.patch_pod_metadata(key, observed.pod, metadata))
        except ClusterError as error:
            if error.error_class in (ErrorClass.ALREADY_EXISTS, ErrorClass.NOT_FOUND, ErrorClass.CONFLICT):
                await self._reader.pod(key, observed.pod)
                if isinstance(action, DeleteEnvironment):
                    await self._reader.environment(key, observed.environment)
                raise StaleError from error
            raise failed_action(error) from error

    def _after_error(self, observed: Observed, plan: Plan, error: ClusterError) -> Plan:
        """The plan that reports the error in a condition. Other errors are raised, for a retry by the queue."""
        if error.error_class is ErrorClass.NAMESPACE_TERMINATING:
            return replace(plan, status=None, requeue_after=None)
        if error.reason is None:
            raise error
        return refused(observed, plan, error)

    async def _patch(
        self, key: Key, environment: dict[str, Any], changes: dict[str, Any], status: dict[str, Any]
    ) -> dict[str, Any]:
        """Write the changes; if the API server refuses them, the changes of a smaller status."""
        try:
            return await self._cluster.patch_status(key, environment, changes)
        except ClusterError as error:
            if error.error_class is not ErrorClass.INVALID:
                raise
            self._count_misfit()
            smaller = status_changes(environment.get("status") or {}, essential(status))
            return await self._cluster.patch_status(key, environment, smaller)

    async def _store(
        self, key: Key, observed: Observed, status: dict[str, Any], events: tuple[Event, ...] = ()
    ) -> Observed:
        """Write the changed fields of the status, and record the Events if there are any changes."""
        environment = observed.environment
        old = environment.get("status") or {}
        if not status_changes(old, status):
            return observed
        fit = fitted(status)
        changes = status_changes(old, fit)
        if not changes:
            return observed
        if fit is not status:
            self._count_misfit()
        try:
            stored = await self._patch(key, environment, changes, fit)
        except ClusterError as error:
            await self._keep_warnings(key, observed, fit, events)
            if error.error_class in (ErrorClass.NOT_FOUND, ErrorClass.CONFLICT):
                await self._reader.environment(key, environment)
                raise StaleError from error
            raise
        self._unwritten.pop(key, None)
        self._view.learn_environment(key, stored)
        for event in events:
            await self._cluster.record(environment, event)
        return replace(observed, environment=stored)

    async def _keep_warnings(
        self, key: Key, observed: Observed, status: dict[str, Any], events: tuple[Event, ...]
    ) -> None:
        """Keep warnings in memory that could not be written, and record their Events."""
        found = lifetimes.warnings(status)
        if not found or found == lifetimes.warnings(observed.environment.get("status") or {}):
            return
        if found != observed.unwritten_warnings:
            self._unwritten[key] = observed.environment["metadata"]["uid"], found
            for event in events:
                if event.reason == lifetimes.EXPIRES_SOON:
                    await self._cluster.record(observed.environment, event)

"""One environment: observe, plan, apply, status. Holds no decisions of its own.

The watch cache is only a hint. It may keep ghosts, and it lags behind our own writes, so whatever we wrote or read live is
laid over it. Before a pod is created or anything is deleted the environment is read live; if it is absent, of another uid or
being deleted, nothing is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dind_operator.api.conditions import ConditionType
from dind_operator.reconcile import activity, folders, lifetimes, pods, sandboxes
from dind_operator.reconcile.actions import (
    NOTHING,
    Action,
    CreatePod,
    DeleteEnvironment,
    DeletePod,
    Plan,
    RepairMetadata,
)
from dind_operator.reconcile.backoff import parse_time
from dind_operator.reconcile.cluster import Cluster, Key, Note
from dind_operator.reconcile.diagnosis import failure_of
from dind_operator.reconcile.errors import ClusterError, ErrorClass, failed_action
from dind_operator.reconcile.folders import Rival
from dind_operator.reconcile.looks import ACTIVITY_SECONDS, Looks
from dind_operator.reconcile.observed import NodeView, Observed, Policy
from dind_operator.reconcile.patch import status_changes
from dind_operator.reconcile.plan import make_plan
from dind_operator.reconcile.refusals import refused
from dind_operator.reconcile.reports import (
    ActivityReport,
    DaemonReport,
    IsolationReport,
    VolumeReport,
    activity_report,
    daemon_report,
    isolation_report,
    volume_report,
)
from dind_operator.reconcile.status import surviving
from dind_operator.reconcile.view import View

MAX_ROUNDS = 4
"""How often one call starts over with fresh objects before it leaves the rest to the queue's backoff."""


REPORT_PAUSE_SECONDS = 2.0
REPORT_PATIENCE = timedelta(minutes=5)
"""The last of the lines follows once a container was started, which a saturated node takes its time for, and may never come;
after this, only a resync looks for it again."""


class StaleError(Exception):
    """What was observed is no longer so: observe again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``requeue_after``: seconds after which to look again, None to wait for a change. ``phase`` for the metrics."""

    requeue_after: float | None = None
    phase: str | None = None


class Reconciler:
    """Brings environments to what they ask for, one call at a time per environment. ``ahead``: as in ``Observed``."""

    def __init__(
        self,
        cluster: Cluster,
        view: View,
        policy: Policy,
        clock: Callable[[], datetime],
        *,
        read_logs: bool = True,
        volume_seconds: float = 0,
        ahead: Callable[[], timedelta] = timedelta,
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._policy = policy
        self._clock = clock
        self._read_logs = read_logs
        self._ahead = ahead
        self._volume_wanted = volume_seconds > 0
        self._looks = Looks((volume_seconds or ACTIVITY_SECONDS) if read_logs else 0)

    async def reconcile(self, key: Key) -> Outcome:
        """Do what is to be done about one environment now. Raises ClusterError when it is to be tried again."""
        for _ in range(MAX_ROUNDS):
            environment = self._view.environment(key)
            if environment is None:
                self._looks.forget(key)
                return Outcome()
            try:
                return await self._round(key, environment)
            except StaleError:
                continue
        raise ClusterError(ErrorClass.CONFLICT, f"{key[0]}/{key[1]} changes faster than it can be looked at")

    async def _round(self, key: Key, environment: dict[str, Any]) -> Outcome:
        pod, namespace = self._view.pod(key), self._view.namespace(key[0])
        observed = Observed(environment, pod, namespace, node=None, daemon=None, now=self._clock(), ahead=self._ahead())
        observed = replace(observed, reads_logs=self._read_logs)
        try:
            observed = await self._read(key, observed)
        except ClusterError as error:
            return await self._finish(key, observed, self._after_error(observed, NOTHING, error))
        return await self._carry_out(key, observed, make_plan(observed, self._policy))

    async def _read(self, key: Key, known: Observed) -> Observed:
        """With what no watch tells."""
        environment, pod = known.environment, known.pod
        unwatched = not pods.watched(pod) if pod is not None else lifetimes.to_be_suspended(known)
        if unwatched:
            # Without our label it may exist unseen, and change or end unseen.
            pod = await self._read_pod(key, pod)
        node = await self._node(environment, pod)
        daemon, inside = await self._daemon(key, environment, pod)
        volume, used = await self._look(key, environment, pod, known.now)
        known = replace(known, pod=pod, node=node, daemon=daemon, isolation=inside, volume=volume, activity=used)
        return replace(known, rivals=self._rivals(environment))

    def _rivals(self, environment: dict[str, Any]) -> tuple[Rival, ...]:
        """All others with folders of nodes, for an environment that asks for one."""
        if not folders.wanted(environment):
            return ()
        others = folders.rivals(self._view.environments_on_nodes(), self._view.pods_on_nodes())
        return tuple(rival for rival in others if rival.uid != environment["metadata"]["uid"])

    async def _node(self, environment: dict[str, Any], pod: pods.Pod | None) -> NodeView | None:
        """Read the node once for a pod that is well, and whenever the pod's trouble may be the node's."""
        name = pods.node_name(pod) if pod is not None else None
        if pod is None or name is None:
            return None
        status = environment.get("status") or {}
        known = status.get("podUID") == pods.uid(pod) and "node" in status
        over = pods.terminating(pod) or pods.ended(pod)
        troubled = sandboxes.waits(pod) or (not known and failure_of(pod) is not None)
        if over or pods.is_ready(pod) != known or troubled:
            try:
                return NodeView(name, await self._cluster.node(name))
            except ClusterError:
                if over or not pods.is_ready(pod):
                    raise
                # What is known of the node of a pod that is well is a courtesy.
        return None

    async def _daemon(
        self, key: Key, environment: dict[str, Any], pod: pods.Pod | None
    ) -> tuple[DaemonReport | None, IsolationReport | None]:
        """Read what the pod's helper wrote of the daemon out of its log, for each start of the container until it is there."""
        if pod is None or not self._unread(environment, pod):
            return None, None
        try:
            log = await self._cluster.daemon_log_head(key)
            return daemon_report(log), isolation_report(log)
        except ClusterError:
            return None, None  # The versions are a courtesy; a kubelet that does not answer must not hold up the rest.

    async def _look(
        self, key: Key, environment: dict[str, Any], pod: pods.Pod | None, now: datetime
    ) -> tuple[VolumeReport | None, ActivityReport | None]:
        """Read what the daemon's log says of its volume and its use, from time to time: no event tells of it."""
        wanted = self._volume_wanted or activity.wanted(environment)
        if pod is None or not wanted or not pods.daemon(pod).get("ready"):
            self._looks.forget(key)
            return None, None
        if not self._looks.due(key, now):
            return None, None
        self._looks.done(key, now)
        try:
            log = await self._cluster.daemon_log_tail(key)
        except ClusterError:
            return None, None
        return volume_report(log) if self._volume_wanted else None, activity_report(log)

    def _unread(self, environment: dict[str, Any], pod: pods.Pod) -> bool:
        daemon = pods.daemon(pod)
        if not self._read_logs or not daemon.get("ready"):
            return False
        status = environment.get("status") or {}
        told = "docker" in status and pods.condition(environment, ConditionType.ISOLATION_VERIFIED)
        return not (told and pods.same_start(status, pod))

    def _look_again(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """When to look again: soon for what no event tells, for the volume from time to time, and when a lifetime ends."""
        waits = self._report_due(observed, plan), self._looks.wait(key, observed.now), lifetimes.of(observed).wait
        return min(filter(None, waits), default=None)

    def _report_due(self, observed: Observed, plan: Plan) -> float | None:
        """The daemon may answer a probe a moment before the lines are in the log; no event tells when they are."""
        pod = observed.pod
        if plan.requeue_after is not None or pod is None or observed.isolation is not None:
            return plan.requeue_after
        since = parse_time(pods.condition(pod, "Ready").get("lastTransitionTime"))
        young = since is not None and observed.now - since < REPORT_PATIENCE
        return REPORT_PAUSE_SECONDS if young and self._unread(observed.environment, pod) else None

    async def _carry_out(self, key: Key, observed: Observed, plan: Plan) -> Outcome:
        failed: ClusterError | None = None
        try:
            if any(isinstance(action, CreatePod | DeletePod | DeleteEnvironment) for action in plan.actions):
                await self._verify(key, observed)
            last = DeleteEnvironment() in plan.actions
            if plan.status_first and plan.status is not None:
                old = observed.environment.get("status") or {}
                # Of an environment that is deleted an Event can be recorded before, and nothing afterwards.
                observed = await self._store(key, observed, surviving(old, plan.status), plan.notes if last else ())
            for action in plan.actions:
                await self._act(key, observed, action)
            if last:
                return Outcome()
            if any(isinstance(action, CreatePod) for action in plan.actions):
                # What is true now is what the new pod says: one status instead of two.
                raise StaleError
        except ClusterError as error:
            plan, failed = self._after_error(observed, plan, error), error
        outcome = await self._finish(key, observed, plan)
        if failed is not None and failed.error_class is ErrorClass.RETRY:
            raise failed
        return outcome

    async def _finish(self, key: Key, observed: Observed, plan: Plan) -> Outcome:
        if plan.status is not None:
            await self._store(key, observed, plan.status, plan.notes)
        return Outcome(self._look_again(key, observed, plan), plan.status.get("phase") if plan.status else None)

    async def _verify(self, key: Key, observed: Observed) -> None:
        """Read the environment live; anything but the object that was planned for means: plan again."""
        seen = observed.environment["metadata"]
        live = await self._read_environment(key, observed.environment)
        if live is None:
            raise StaleError
        metadata = live["metadata"]
        same = (
            metadata["uid"] == seen["uid"]
            and metadata.get("generation") == seen.get("generation")
            and not metadata.get("deletionTimestamp")
        )
        if not same:
            raise StaleError

    async def _read_environment(self, key: Key, believed: dict[str, Any]) -> dict[str, Any] | None:
        live = await self._cluster.environment(key)
        if live is None:
            self._view.miss_environment(key, believed["metadata"]["uid"])
        else:
            self._view.learn_environment(key, live)
        return live

    async def _read_pod(self, key: Key, believed: pods.Pod | None) -> pods.Pod | None:
        live = await self._cluster.pod(key)
        if live is not None:
            self._view.learn_pod(key, live)
        elif believed is not None:
            self._view.miss_pod(key, pods.uid(believed))
        return live

    async def _act(self, key: Key, observed: Observed, action: Action) -> None:
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
                await self._read_pod(key, observed.pod)
                if isinstance(action, DeleteEnvironment):
                    await self._read_environment(key, observed.environment)
                raise StaleError from error
            raise failed_action(error) from error

    def _after_error(self, observed: Observed, plan: Plan, error: ClusterError) -> Plan:
        """What a user is to hear of becomes a condition; all else goes back to the queue, or ends with the namespace."""
        if error.error_class is ErrorClass.NAMESPACE_TERMINATING:
            return replace(plan, status=None, requeue_after=None)
        if error.reason is None:
            raise error
        return refused(observed, plan, error)

    async def _store(
        self, key: Key, observed: Observed, status: dict[str, Any], notes: tuple[Note, ...] = ()
    ) -> Observed:
        """Write what differs, and the notes if anything does; returns what is observed then."""
        environment = observed.environment
        changes = status_changes(environment.get("status") or {}, status)
        if not changes:
            return observed
        try:
            stored = await self._cluster.patch_status(key, environment, changes)
        except ClusterError as error:
            if error.error_class in (ErrorClass.NOT_FOUND, ErrorClass.CONFLICT):
                await self._read_environment(key, environment)
                raise StaleError from error
            raise
        self._view.learn_environment(key, stored)
        for note in notes:
            await self._cluster.record(environment, note)
        return replace(observed, environment=stored)

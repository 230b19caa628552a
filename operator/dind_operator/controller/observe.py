"""What one reconciliation reads beyond the watch cache: the pod where no watch tells of it, its node, the daemon's log.

Each is read only where something may depend on it; at rest that is nothing but a look at the log from time to time.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dind_operator.api.conditions import ConditionType
from dind_operator.api.timestamps import parse_time
from dind_operator.controller.actions import Plan
from dind_operator.controller.api_errors import ClusterError
from dind_operator.controller.cache_reader import View
from dind_operator.controller.polling import ACTIVITY_SECONDS, PollSchedule
from dind_operator.features.lifetime import condition as activity
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.registry import condition as preload
from dind_operator.features.security import user_namespaces as sandboxes
from dind_operator.features.storage import host_path_claims as folders
from dind_operator.features.storage.host_path_claims import Rival
from dind_operator.features.workloads import condition as workloads
from dind_operator.state import pod_status as pods
from dind_operator.state.cluster import Cluster, Key
from dind_operator.state.node_reports import (
    ActivityReport,
    DaemonReport,
    IsolationReport,
    PreloadReport,
    VolumeReport,
    activity_report,
    daemon_report,
    isolation_report,
    preload_report,
    volume_report,
)
from dind_operator.state.observed import NodeView, Observed
from dind_operator.state.pod_failures import failure_of

REPORT_PAUSE_SECONDS = 2.0
REPORT_PATIENCE = timedelta(minutes=5)
"""The last of the lines follows once a container was started, which a saturated node takes its time for, and may never come;
after this, only a resync looks for it again."""


class Reader:
    """Reads for all environments. ``volume_seconds`` between two looks at a volume, at least; 0: none at volumes."""

    def __init__(self, cluster: Cluster, view: View, *, read_logs: bool, volume_seconds: float) -> None:
        self._cluster = cluster
        self._view = view
        self._read_logs = read_logs
        self._volume_wanted = volume_seconds > 0
        self._schedule = PollSchedule((volume_seconds or ACTIVITY_SECONDS) if read_logs else 0)

    def forget(self, key: Key) -> None:
        """The environment is gone."""
        self._schedule.forget(key)

    async def all_of(self, key: Key, known: Observed) -> Observed:
        """What is known, with what no watch tells. Raises ClusterError."""
        environment, pod = known.environment, known.pod
        doubtful = lifetimes.to_be_suspended(known) or workloads.may_be_lost(environment)
        unwatched = not pods.watched(pod) if pod is not None else doubtful
        if unwatched:
            # Without our label it may exist unseen, and change or end unseen.
            pod = await self.pod(key, pod)
        node = await self._node(environment, pod)
        daemon, inside = await self._daemon(key, environment, pod)
        volume, used = await self._look(key, environment, pod, known.now)
        known = replace(known, pod=pod, node=node, daemon=daemon, isolation=inside, volume=volume, activity=used)
        known = replace(known, preload=await self._preload(key, pod))
        return replace(known, rivals=self._rivals(environment))

    async def environment(self, key: Key, believed: dict[str, Any]) -> dict[str, Any] | None:
        """Read live, and remembered; None if absent."""
        live = await self._cluster.environment(key)
        if live is None:
            self._view.miss_environment(key, believed["metadata"]["uid"])
        else:
            self._view.learn_environment(key, live)
        return live

    async def pod(self, key: Key, believed: pods.Pod | None) -> pods.Pod | None:
        """Read live, and remembered; None if absent."""
        live = await self._cluster.pod(key)
        if live is not None:
            self._view.learn_pod(key, live)
        elif believed is not None:
            self._view.miss_pod(key, pods.uid(believed))
        return live

    def again(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """Seconds until something is to be looked at again that no event tells of; None where there is nothing."""
        waits = self._report_due(observed, plan), self._schedule.wait(key, observed.now)
        return min(filter(None, waits), default=None)

    def _report_due(self, observed: Observed, plan: Plan) -> float | None:
        """The daemon may answer a probe a moment before the lines are in the log; no event tells when they are."""
        pod = observed.pod
        if plan.requeue_after is not None or pod is None or observed.isolation is not None:
            return plan.requeue_after
        since = parse_time(pods.condition(pod, "Ready").get("lastTransitionTime"))
        young = since is not None and observed.now - since < REPORT_PATIENCE
        return REPORT_PAUSE_SECONDS if young and self._unread(observed.environment, pod) else None

    def _rivals(self, environment: dict[str, Any]) -> tuple[Rival, ...]:
        """All others with folders of nodes, for an environment that asks for one."""
        if not folders.wanted(environment):
            return ()
        others = folders.rivals(self._view.environments_on_nodes(), self._view.pods_on_nodes())
        return tuple(rival for rival in others if rival.uid != environment["metadata"]["uid"])

    async def _node(self, environment: dict[str, Any], pod: pods.Pod | None) -> NodeView | None:
        """Read the node once for a pod that is well, and whenever the pod's trouble may be the node's."""
        name = pods.node_name(pod) if pod is not None else None
        if pod is None or name is None or workloads.reported_over(environment, pod):
            return None
        status = environment.get("status") or {}
        known = status.get("podUID") == pods.uid(pod) and "node" in status
        over = pods.terminating(pod) or pods.ended(pod)
        troubled = sandboxes.waits(pod) or (not known and failure_of(pod) is not None)
        if over or _well(pod) != known or troubled:
            try:
                return NodeView(name, await self._cluster.node(name))
            except ClusterError:
                if over or not _well(pod):
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
            self._schedule.forget(key)
            return None, None
        if not self._schedule.due(key, now):
            return None, None
        self._schedule.done(key, now)
        try:
            log = await self._cluster.daemon_log_tail(key)
        except ClusterError:
            return None, None
        return volume_report(log) if self._volume_wanted else None, activity_report(log)

    async def _preload(self, key: Key, pod: pods.Pod | None) -> PreloadReport | None:
        """Read how far the daemon is with images that it pulls before it is ready."""
        if pod is None or not self._read_logs or pods.terminating(pod) or not preload.pulling(pod):
            return None
        try:
            return preload_report(await self._cluster.daemon_log_tail(key))
        except ClusterError:
            return None

    def _unread(self, environment: dict[str, Any], pod: pods.Pod) -> bool:
        daemon = pods.daemon(pod)
        if not self._read_logs or not daemon.get("ready"):
            return False
        status = environment.get("status") or {}
        told = "docker" in status and pods.condition(environment, ConditionType.ISOLATION_VERIFIED)
        return not (told and pods.same_start(status, pod))


def _well(pod: pods.Pod) -> bool:
    """The pod is what it is for: ready, or with workloads, whose end makes a pod unready, on a node that was read."""
    return bool(pods.is_ready(pod) or (pods.workload_names(pod) and pods.daemon(pod).get("started")))

"""Live reads beyond the watch cache: pods that are not watched, the node of the pod, the log of the daemon.

They are read only when needed. For an environment that does not change, only the log is polled.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dind_operator.api.conditions import ConditionType
from dind_operator.api.timestamps import parse_time
from dind_operator.controller.actions import Plan
from dind_operator.controller.api_errors import ClusterError
from dind_operator.controller.cache_reader import View
from dind_operator.controller.log_budget import LogBudget, LogNotReadError
from dind_operator.controller.polling import ACTIVITY_SECONDS, PollSchedule
from dind_operator.features.isolation import condition as isolation
from dind_operator.features.lifetime import condition as activity
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.registry import condition as preload
from dind_operator.features.security import user_namespaces
from dind_operator.features.storage import host_path_claims as host_paths
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

REPORT_POLL_SECONDS = 2.0
REPORT_TIMEOUT = timedelta(minutes=5)
"""The last line of the report follows after a container was started. That can take long on a busy node, and may never happen.
After this time, only a resync reads the log again."""


class Reader:
    """Live reads for all environments. ``volume_seconds`` is the minimum time between two polls of a volume; 0: no polls.

    ``logs``: None if the installation does not let the operator read logs.
    """

    def __init__(self, cluster: Cluster, view: View, *, logs: LogBudget | None, volume_seconds: float) -> None:
        self._cluster = cluster
        self._view = view
        self._logs = logs
        self._unread: dict[Key, float] = {}
        """Seconds after which a log is read that was not read when it was due."""
        self._polls_volumes = volume_seconds > 0
        self._schedule = PollSchedule((volume_seconds or ACTIVITY_SECONDS) if logs else 0)

    def forget(self, key: Key) -> None:
        """Remove the data of a deleted environment."""
        self._schedule.forget(key)
        self._unread.pop(key, None)

    async def observe(self, key: Key, known: Observed) -> Observed:
        """``known`` with the state that no watch reports. Raises ClusterError."""
        environment, pod = known.environment, known.pod
        self._unread.pop(key, None)
        uncertain = lifetimes.to_be_suspended(known) or workloads.may_be_lost(environment) or known.ending
        unwatched = not pods.watched(pod) if pod is not None else uncertain
        if unwatched:
            # A pod without the label of the operator is not watched.
            pod = await self.pod(key, pod)
        node = await self._node(environment, pod)
        daemon, inside = await self._daemon(key, environment, pod)
        volume, used, again = await self._poll_log(key, replace(known, pod=pod))
        inside = inside or again
        known = replace(known, pod=pod, node=node, daemon=daemon, isolation=inside, volume=volume, activity=used)
        known = replace(known, preload=await self._preload(key, pod))
        return replace(known, rivals=self._rivals(environment))

    async def environment(self, key: Key, cached: dict[str, Any]) -> dict[str, Any] | None:
        """Read live and cache; None if absent."""
        live = await self._cluster.environment(key)
        if live is None:
            self._view.miss_environment(key, cached["metadata"]["uid"])
        else:
            self._view.learn_environment(key, live)
        return live

    async def pod(self, key: Key, cached: pods.Pod | None) -> pods.Pod | None:
        """Read live and cache; None if absent."""
        live = await self._cluster.pod(key)
        if live is not None:
            self._view.learn_pod(key, live)
        elif cached is not None:
            self._view.miss_pod(key, pods.uid(cached))
        return live

    def requeue_after(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """Seconds until the next read of state that no watch reports; None without one."""
        if key in self._unread:
            return min(plan.requeue_after or math.inf, self._unread[key])
        waits = self._report_due(observed, plan), self._schedule.wait(key, observed.now)
        return min(filter(None, waits), default=None)

    def _report_due(self, observed: Observed, plan: Plan) -> float | None:
        """The daemon may be ready shortly before the lines are in its log, and no watch reports them."""
        pod = observed.pod
        if plan.requeue_after is not None or pod is None or observed.isolation is not None:
            return plan.requeue_after
        since = parse_time(pods.condition(pod, "Ready").get("lastTransitionTime"))
        young = since is not None and observed.now - since < REPORT_TIMEOUT
        return REPORT_POLL_SECONDS if young and self._log_unread(observed.environment, pod) else None

    def _rivals(self, environment: dict[str, Any]) -> tuple[Rival, ...]:
        """All other environments with directories of nodes, for an environment with such a directory."""
        if not host_paths.wanted(environment):
            return ()
        others = host_paths.rivals(self._view.environments_on_nodes(), self._view.pods_on_nodes())
        return tuple(rival for rival in others if rival.uid != environment["metadata"]["uid"])

    async def _node(self, environment: dict[str, Any], pod: pods.Pod | None) -> NodeView | None:
        """Read the node once for a healthy pod, and whenever the node may be the cause of a problem of the pod."""
        name = pods.node_name(pod) if pod is not None else None
        if pod is None or name is None or workloads.reported_completed(environment, pod):
            return None
        status = environment.get("status") or {}
        known = status.get("podUID") == pods.uid(pod) and "node" in status
        over = pods.terminating(pod) or pods.ended(pod)
        node_matters = user_namespaces.waits(pod) or (not known and failure_of(pod) is not None)
        if over or _healthy(pod) != known or node_matters:
            try:
                return NodeView(name, await self._cluster.node(name))
            except ClusterError:
                if over or not _healthy(pod):
                    raise
                # Data about the node of a healthy pod is optional.
        return None

    async def _daemon(
        self, key: Key, environment: dict[str, Any], pod: pods.Pod | None
    ) -> tuple[DaemonReport | None, IsolationReport | None]:
        """Read the reports in the log of the daemon, after each start of the container until they are there."""
        if pod is None or not self._log_unread(environment, pod):
            return None, None
        log = await self._read(key, pod, self._cluster.daemon_log_head)
        return (daemon_report(log), isolation_report(log)) if log is not None else (None, None)

    async def _poll_log(
        self, key: Key, known: Observed
    ) -> tuple[VolumeReport | None, ActivityReport | None, IsolationReport | None]:
        """Poll the reports about the volume, the activity and, where no container could be started, the isolation."""
        pod, now, refused = known.pod, known.now, isolation.refused(known)
        polled = self._polls_volumes or activity.enabled(known.environment) or refused
        if pod is None or not polled or not pods.daemon(pod).get("ready"):
            self._schedule.forget(key)
            return None, None, None
        if not self._schedule.due(key, now):
            return None, None, None
        log = await self._read(key, pod, self._cluster.daemon_log_tail)
        if key not in self._unread:
            self._schedule.done(key, now)
        if log is None:
            return None, None, None
        volume = volume_report(log) if self._polls_volumes else None
        return volume, activity_report(log), isolation_report(log) if refused else None

    async def _preload(self, key: Key, pod: pods.Pod | None) -> PreloadReport | None:
        """Read the progress of the images that the daemon pulls before it is ready."""
        if pod is None or self._logs is None or pods.terminating(pod) or not preload.pulling(pod):
            return None
        log = await self._read(key, pod, self._cluster.daemon_log_tail)
        return preload_report(log) if log is not None else None

    async def _read(self, key: Key, pod: pods.Pod, request: Callable[[Key], Awaitable[str]]) -> str | None:
        """A log of the daemon; None without one. What it reports is optional, and the reconciliation goes on without it."""
        node = pods.node_name(pod)
        if self._logs is None or node is None:
            return None
        try:
            return await self._logs.read(node, lambda: request(key))
        except LogNotReadError as error:
            self._unread[key] = error.seconds
            return None
        except ClusterError:
            return None

    def _log_unread(self, environment: dict[str, Any], pod: pods.Pod) -> bool:
        daemon = pods.daemon(pod)
        if self._logs is None or not daemon.get("ready"):
            return False
        status = environment.get("status") or {}
        reported = "docker" in status and pods.condition(environment, ConditionType.ISOLATION_VERIFIED)
        return not (reported and pods.same_start(status, pod))


def _healthy(pod: pods.Pod) -> bool:
    """Whether the pod is ready or, with workloads, its daemon started: a pod whose workloads completed is not ready."""
    return bool(pods.is_ready(pod) or (pods.workload_names(pod) and pods.daemon(pod).get("started")))

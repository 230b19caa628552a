"""What one reconciliation has seen, complete: the plan looks at nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dind_operator.api import names
from dind_operator.api.conditions import ConditionStatus, ConditionType, Reason
from dind_operator.pod.defaults import BuildSettings
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import ActivityReport, DaemonReport, IsolationReport, PreloadReport, VolumeReport
from dind_operator.state.periods import REAL, Periods

if TYPE_CHECKING:
    from dind_operator.features.endpoint.credentials import Credentials
    from dind_operator.features.policy.rules import PolicyRules
    from dind_operator.features.storage.host_path_claims import Rival


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as read live. ``manifest`` is None when the node is gone."""

    name: str
    manifest: dict[str, Any] | None

    @property
    def gone(self) -> bool:
        """The node is deleted, or an administrator declared it out of service: nothing runs there any more."""
        if self.manifest is None:
            return True
        taints = self.manifest.get("spec", {}).get("taints") or []
        return any(taint.get("key") == "node.kubernetes.io/out-of-service" for taint in taints)

    @property
    def ready(self) -> bool:
        """The node's kubelet reports that it works."""
        conditions = (self.manifest or {}).get("status", {}).get("conditions") or []
        return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)

    @property
    def info(self) -> dict[str, str]:
        """``status.nodeInfo``, {} if unknown."""
        if self.manifest is None:
            return {}
        info: dict[str, str] = self.manifest.get("status", {}).get("nodeInfo") or {}
        return info

    @property
    def runtime_handlers(self) -> dict[str, bool]:
        """The runtime's handlers ("" is the default one) and whether each can make user namespaces; {} if untold."""
        handlers = (self.manifest or {}).get("status", {}).get("runtimeHandlers") or []
        return {
            str(item.get("name") or ""): bool((item.get("features") or {}).get("userNamespaces")) for item in handlers
        }


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The endpoint's objects after they were looked at and brought to what is wanted.

    ``credentials``: what the Secrets hold, None for nothing. ``problem``: why something is not as it should be; no pod is made
    while there is one. ``passing``: it will be gone by itself, soon. ``verified``: the environment was read live for it.
    """

    credentials: Credentials | None = None
    problem: Condition | None = None
    passing: bool = False
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Raw objects as dicts, and the time (UTC) at which they were looked at."""

    environment: dict[str, Any]
    pod: dict[str, Any] | None
    namespace: dict[str, Any] | None
    node: NodeView | None
    daemon: DaemonReport | None
    now: datetime
    isolation: IsolationReport | None = None
    volume: VolumeReport | None = None
    """What was read just now; None when it was not looked at, or could not be."""
    budget: Condition | None = None
    """The condition of the PodDisruptionBudget; None where there is none to speak of."""
    rivals: tuple[Rival, ...] = ()
    """Others with folders of nodes, if the environment asks for one."""
    endpoint: EndpointState | None = None
    """None when it was not looked at: then it is as status tells."""
    activity: ActivityReport | None = None
    """What was read just now, as with the volume."""
    preload: PreloadReport | None = None
    """The same of images that are pulled before the daemon is ready."""
    reads_logs: bool = True
    """The installation lets the operator read pod logs."""
    clock_skew: timedelta = timedelta(0)
    """How far ``now`` is ahead of the API server's clock, which gave the environment the time of its creation."""
    periods: Periods = REAL
    """The installation's."""

    def reported(self, kind: ConditionType) -> dict[str, Any]:
        """A condition as the stored status has it, {} if it has none."""
        return pods.condition(self.environment, kind)

    def kept(self, kind: ConditionType, reasons: Collection[Reason]) -> Condition | None:
        """The condition as the stored status has it, for one that keeps its value until something else is reported.

        None unless its reason is one of ``reasons``.
        """
        old = self.reported(kind)
        if old.get("reason") not in reasons:
            return None
        return Condition(ConditionStatus(old["status"]), Reason(old["reason"]), str(old.get("message")))

    def kept_of_daemon(self, kind: ConditionType, reasons: Collection[Reason]) -> Condition | None:
        """The same of a condition about one start of the daemon: None once the daemon has started again."""
        same = self.pod is not None and pods.same_start(self.environment.get("status") or {}, self.pod)
        return self.kept(kind, reasons) if same else None

    @property
    def namespace_enabled(self) -> bool:
        """An administrator opened the namespace for environments."""
        labels = (self.namespace or {}).get("metadata", {}).get("labels") or {}
        return bool(labels.get(names.NAMESPACE_LABEL) == names.NAMESPACE_LABEL_VALUE)

    @property
    def ending(self) -> bool:
        """The environment or its namespace is being deleted: nothing is to be written any more."""
        return any(
            found is not None and bool(found["metadata"].get("deletionTimestamp"))
            for found in (self.environment, self.namespace)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation decides about reconciling."""

    build: BuildSettings
    require_namespace_label: bool = True
    policy_rules: PolicyRules | None = None
    """What environments may ask for; None: anything."""
    periods: Periods = REAL

"""What one reconciliation has seen, complete: the plan looks at nothing else."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dind_operator.api.conditions import ConditionType
from dind_operator.build.settings import BuildSettings
from dind_operator.reconcile import pods
from dind_operator.reconcile.folders import Rival
from dind_operator.reconcile.reports import ActivityReport, DaemonReport, IsolationReport, VolumeReport


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
    rivals: tuple[Rival, ...] = ()
    """Others with folders of nodes, if the environment asks for one."""
    activity: ActivityReport | None = None
    """What was read just now, as with the volume."""
    reads_logs: bool = True
    """The installation lets the operator read pod logs."""
    ahead: timedelta = timedelta(0)
    """How far ``now`` is ahead of the API server's clock, which gave the environment the time of its creation."""

    def told(self, kind: ConditionType) -> dict[str, Any]:
        """A condition as the stored status has it, {} if it has none."""
        return pods.condition(self.environment, kind)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation decides about reconciling."""

    build: BuildSettings
    require_namespace_label: bool = True

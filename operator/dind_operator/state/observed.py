"""The observed state of one reconciliation. The plan is computed from it alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
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
    """A node that was read live. ``manifest`` is None if the node was deleted."""

    name: str
    manifest: dict[str, Any] | None

    @property
    def gone(self) -> bool:
        """Whether the node was deleted, or an administrator added the taint out-of-service: no pods run on it."""
        if self.manifest is None:
            return True
        taints = self.manifest.get("spec", {}).get("taints") or []
        return any(taint.get("key") == "node.kubernetes.io/out-of-service" for taint in taints)

    @property
    def ready(self) -> bool:
        """Whether the node is ready."""
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
        """Handlers of the runtime ("" is the default one) and whether they support user namespaces; {} if unknown."""
        handlers = (self.manifest or {}).get("status", {}).get("runtimeHandlers") or []
        return {
            str(item.get("name") or ""): bool((item.get("features") or {}).get("userNamespaces")) for item in handlers
        }


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of the objects of the endpoint after they were reconciled.

    ``credentials``: the credentials in the Secrets, None without any. ``problem``: why the desired state was not reached.
    ``blocks``: no pod is created while there is the problem; False if only something superfluous could not be deleted.
    ``passing``: the problem will disappear soon without an action. ``verified``: the environment was read live for it.
    """

    credentials: Credentials | None = None
    problem: Condition | None = None
    blocks: bool = True
    passing: bool = False
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Raw objects as dicts, and the time (UTC) at which they were observed."""

    environment: dict[str, Any]
    pod: dict[str, Any] | None
    namespace: dict[str, Any] | None
    node: NodeView | None
    daemon: DaemonReport | None
    now: datetime
    isolation: IsolationReport | None = None
    volume: VolumeReport | None = None
    """The report that was read in this reconciliation; None if it was not read."""
    budget: Condition | None = None
    """The condition of the PodDisruptionBudget; None without one."""
    rivals: tuple[Rival, ...] = ()
    """Other environments with directories of nodes, if the environment has one."""
    endpoint: EndpointState | None = None
    """None if it was not checked: then the state in status is valid."""
    activity: ActivityReport | None = None
    """The report that was read in this reconciliation."""
    preload: PreloadReport | None = None
    """The report about pulled images that was read in this reconciliation."""
    reads_logs: bool = True
    """Whether the installation lets the operator read pod logs."""
    clock_skew: timedelta = timedelta(0)
    """How far ``now`` is ahead of the clock of the API server, which set the creation time of the environment."""
    periods: Periods = REAL
    """The periods of the installation."""
    max_ttl: str | None = None
    """The longest time to live that the policy of the installation allows; None: any."""
    unwritten_warnings: Mapping[str, str] = field(default_factory=dict)
    """The warnings in ``status.lifetime`` that could not be written."""

    def reported(self, kind: ConditionType) -> dict[str, Any]:
        """A condition in the stored status, {} if absent."""
        return pods.condition(self.environment, kind)

    def kept(self, kind: ConditionType, reasons: Collection[Reason]) -> Condition | None:
        """A condition in the stored status, which is kept until another state is reported.

        None unless its reason is one of ``reasons``.
        """
        old = self.reported(kind)
        if old.get("reason") not in reasons:
            return None
        return Condition(ConditionStatus(old["status"]), Reason(old["reason"]), str(old.get("message")))

    def kept_of_daemon(self, kind: ConditionType, reasons: Collection[Reason]) -> Condition | None:
        """The same for a condition about one start of the daemon: None after the daemon was restarted."""
        same = self.pod is not None and pods.same_start(self.environment.get("status") or {}, self.pod)
        return self.kept(kind, reasons) if same else None

    @property
    def namespace_enabled(self) -> bool:
        """Whether an administrator enabled environments in the namespace."""
        labels = (self.namespace or {}).get("metadata", {}).get("labels") or {}
        return bool(labels.get(names.NAMESPACE_LABEL) == names.NAMESPACE_LABEL_VALUE)

    @property
    def ending(self) -> bool:
        """Whether the environment or its namespace is being deleted, so that nothing is written."""
        return any(
            found is not None and bool(found["metadata"].get("deletionTimestamp"))
            for found in (self.environment, self.namespace)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the installation for reconciliation."""

    build: BuildSettings
    require_namespace_label: bool = True
    serves_endpoints: bool = True
    """Whether the installation lets the operator manage Secrets."""
    policy_rules: PolicyRules | None = None
    """The policy for environments; None: everything is allowed."""
    periods: Periods = REAL

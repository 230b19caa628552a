"""A model of the cluster for properties of the plan: what the API server, the kubelet and the garbage collector do to
one environment and one pod. It stands for no part that is tested: the real API server judges that in tests/integration.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.unit.objects import NOW, POLICY

from dind_operator.api.conditions import format_time
from dind_operator.controller.actions import Action, CreatePod, DeleteEnvironment, DeletePod, Plan, RepairMetadata
from dind_operator.controller.decide import make_plan
from dind_operator.controller.merge_patch import status_changes
from dind_operator.controller.status import surviving
from dind_operator.state.node_reports import ActivityReport, DaemonReport, IsolationReport, VolumeReport
from dind_operator.state.observed import EndpointState, NodeView, Observed, Policy


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


@dataclass
class World:
    """``done`` holds every action carried out, in order."""

    environment: dict[str, Any]
    pod: dict[str, Any] | None = None
    namespace: dict[str, Any] | None = None
    node: NodeView | None = None
    daemon: DaemonReport | None = None
    volume: VolumeReport | None = None
    isolation: IsolationReport | None = None
    endpoint: EndpointState | None = None
    activity: ActivityReport | None = None
    now: datetime = NOW
    policy: Policy = POLICY
    done: list[Action] = field(default_factory=list)
    created: int = 0

    def observe(self) -> Observed:
        seen = copy.deepcopy((self.environment, self.pod, self.namespace))
        node = self.node if self.pod is not None and self.pod["spec"].get("nodeName") else None
        there = self.pod is not None
        told = {"isolation": self.isolation, "volume": self.volume, "activity": self.activity} if there else {}
        more = {"endpoint": self.endpoint, "periods": self.policy.periods} | told
        return Observed(*seen, node, self.daemon if there else None, self.now, **more)

    def plan(self) -> Plan:
        return make_plan(self.observe(), self.policy)

    def apply(self, plan: Plan, *, only: str = "") -> None:
        """Carry out a plan as the reconciler does. ``only``: stop half-way, after the first of the two halves."""
        halves = [*(["survivors"] if plan.status_first else []), "actions", "status"]
        for half in halves[:1] if only == "first half" else halves:
            if half == "survivors" and plan.status is not None:
                self.store(surviving(self.environment.get("status") or {}, plan.status))
            if half == "status" and plan.status is not None:
                self.store(plan.status)
            if half == "actions":
                for action in plan.actions:
                    self.act(action)
                if DeleteEnvironment() in plan.actions:
                    return  # nothing is told of what is gone
                if any(isinstance(action, CreatePod) for action in plan.actions):
                    return  # as the reconciler does: the new pod is looked at before anything is written

    def store(self, status: dict[str, Any]) -> None:
        old = self.environment.get("status") or {}
        self.environment["status"] = merge(old, status_changes(old, status))

    def act(self, action: Action) -> None:
        self.done.append(action)
        match action:
            case CreatePod(manifest):
                assert self.pod is None, "the API server would say AlreadyExists"
                self.created += 1
                self.pod = copy.deepcopy(manifest)
                self.pod["metadata"] |= {"uid": f"made-{self.created}", "creationTimestamp": format_time(self.now)}
                self.pod["status"] = {"phase": "Pending"}
            case DeletePod(uid, force):
                assert self.pod is not None
                assert self.pod["metadata"]["uid"] == uid, "the precondition would fail"
                at_once = (
                    force
                    or not self.pod["spec"].get("nodeName")
                    or self.pod["status"]["phase"] in ("Failed", "Succeeded")
                )
                if at_once:
                    self.pod = None
                else:
                    self.pod["metadata"].setdefault("deletionTimestamp", format_time(self.now))
            case DeleteEnvironment():
                # As with a finalizer of somebody else's: what follows must hold then, too.
                self.environment["metadata"].setdefault("deletionTimestamp", format_time(self.now))
            case RepairMetadata(metadata):
                assert self.pod is not None
                self.pod["metadata"] = merge(self.pod["metadata"], metadata)

    def settle(self, rounds: int = 6) -> list[Plan]:
        """Plan and apply until nothing is left to do now; the plans that did something."""
        plans = []
        for _ in range(rounds):
            plan = self.plan()
            if not plan.actions and not self.would_write(plan):
                return plans
            plans.append(plan)
            self.apply(plan)
        raise AssertionError(f"not settled after {rounds} rounds; the last did {plans[-1]}")

    def would_write(self, plan: Plan) -> bool:
        return plan.status is not None and bool(status_changes(self.environment.get("status") or {}, plan.status))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

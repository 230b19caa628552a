"""Detects the starts of pods for the metrics: from the creation until the pod is ready for the first time.

Later transitions of the pod to ready are not starts. The state is in memory only, so a start during which the operator restarts
is not measured.
"""

from dataclasses import dataclass
from typing import Any

from dind_operator.state import pod_status as pods
from dind_operator.state.cluster import Key


@dataclass(frozen=True, slots=True)
class Start:
    """A pod that has not been ready yet, and the creation time from which its start counts (RFC 3339)."""

    pod_uid: str
    created: str | None


class Starts:
    """The pods that are starting."""

    def __init__(self) -> None:
        self._open: dict[Key, Start] = {}

    def follow(self, key: Key, before: dict[str, Any], pod: pods.Pod | None) -> Start | None:
        """Observe a pod after a reconciliation. Returns its start if the pod has just become ready.

        ``before`` is the environment at the beginning of the reconciliation. A pod that is not in its status is new. The start of
        the first pod of a new environment counts from the creation of the environment, that of a later pod from its own creation.
        """
        if pod is None or not _owned(pod, before):
            self._open.pop(key, None)
            return None
        uid, status = pods.uid(pod), before.get("status") or {}
        start = self._open.get(key)
        known = start is not None and start.pod_uid == uid
        if pods.is_ready(pod):
            self._open.pop(key, None)
            return start if known else None
        if not known and status.get("podUID") != uid:
            origin = pod if "observedGeneration" in status else before
            self._open[key] = Start(uid, origin["metadata"].get("creationTimestamp"))
        return None

    def forget(self, key: Key) -> None:
        """The environment was deleted."""
        self._open.pop(key, None)


def _owned(pod: pods.Pod, environment: dict[str, Any]) -> bool:
    owner = pods.controller(pod)
    return owner is not None and owner.get("uid") == environment["metadata"]["uid"]

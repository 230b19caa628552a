"""Which moments are a pod's start: from its creation to its first Ready, once, and never a restart, a pause or a relapse.

Kept in memory: a start that began under another operator is not measured, rather than measured wrongly.
"""

from dataclasses import dataclass
from typing import Any

from dind_operator.state import pod_status as pods
from dind_operator.state.cluster import Key


@dataclass(frozen=True, slots=True)
class Start:
    """A pod that has not been ready yet, and the creation from which its start counts (RFC 3339)."""

    pod_uid: str
    created: str | None


class Starts:
    """The starts that are under way."""

    def __init__(self) -> None:
        self._open: dict[Key, Start] = {}

    def follow(self, key: Key, before: dict[str, Any], pod: pods.Pod | None) -> Start | None:
        """Look at a pod after a reconciliation; returns its start when that has just ended.

        ``before`` is the environment as it was when the reconciliation began. A pod that its status did not know is new. The
        first pod of an environment that nobody had looked at counts from the environment's creation, any later one from its own.
        """
        if pod is None or not _owned(pod, before):
            self._open.pop(key, None)
            return None
        uid, status = pods.uid(pod), before.get("status") or {}
        start = self._open.get(key)
        seen = start is not None and start.pod_uid == uid
        if pods.is_ready(pod):
            self._open.pop(key, None)
            return start if seen else None
        if not seen and status.get("podUID") != uid:
            origin = pod if "observedGeneration" in status else before
            self._open[key] = Start(uid, origin["metadata"].get("creationTimestamp"))
        return None

    def forget(self, key: Key) -> None:
        """The environment is gone."""
        self._open.pop(key, None)


def _owned(pod: pods.Pod, environment: dict[str, Any]) -> bool:
    owner = pods.controller(pod)
    return owner is not None and owner.get("uid") == environment["metadata"]["uid"]

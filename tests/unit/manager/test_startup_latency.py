"""What is a start of a pod, and from when it counts."""

from __future__ import annotations

from typing import Any

from tests.unit.objects import environment, pod, running_pod

from dind_operator.manager.startup_latency import Starts

KEY = ("team-a", "builder")
MADE, POD_MADE = "2025-06-01T11:59:00Z", "2025-06-01T11:59:01Z"


def known(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The environment, its status telling of that pod."""
    return environment() | {"status": {"observedGeneration": 1, "podUID": manifest["metadata"]["uid"], **more}}


def named(manifest: dict[str, Any], uid: str) -> dict[str, Any]:
    manifest["metadata"]["uid"] = uid
    return manifest


def ready(starts: Starts, before: dict[str, Any], manifest: dict[str, Any]) -> str | None:
    """From when the start counts that has just ended; None if none has."""
    start = starts.follow(KEY, before, manifest)
    return start.created if start is not None else None


def test_the_first_pod_counts_from_the_environment() -> None:
    starts = Starts()
    assert ready(starts, environment(), pod()) is None
    assert ready(starts, known(pod()), pod()) is None
    assert ready(starts, known(pod()), running_pod()) == MADE


def test_it_counts_once() -> None:
    """A relapse of the daemon, a restart of its container: the pod was ready before."""
    starts = Starts()
    ready(starts, environment(), pod())
    assert ready(starts, known(pod()), running_pod()) == MADE
    assert ready(starts, known(pod(), restarts=1), pod()) is None
    assert ready(starts, known(pod(), restarts=1), running_pod()) is None


def test_a_later_pod_counts_from_its_own_creation() -> None:
    """After a day of being suspended, a change of the spec, a deletion: of each pod, once."""
    starts = Starts()
    ready(starts, environment(), pod())
    ready(starts, known(pod()), running_pod())
    assert starts.follow(KEY, known(pod()), None) is None
    suspended = environment() | {"status": {"observedGeneration": 2, "phase": "Suspended"}}
    assert ready(starts, suspended, named(pod(), "second")) is None
    assert ready(starts, known(named(pod(), "second")), named(running_pod(), "second")) == POD_MADE
    assert ready(starts, known(pod()), named(pod(), "third")) is None
    assert ready(starts, known(named(pod(), "third")), named(running_pod(), "third")) == POD_MADE


def test_a_pod_whose_start_nobody_saw_is_not_measured() -> None:
    starts = Starts()
    assert ready(starts, known(pod()), pod()) is None
    assert ready(starts, known(pod()), running_pod()) is None
    assert ready(starts, environment(), running_pod()) is None


def test_a_foreign_pods_start_is_nobodys() -> None:
    starts, foreign = Starts(), [pod(), running_pod()]
    for manifest in foreign:
        manifest["metadata"]["ownerReferences"] = []
    assert [ready(starts, environment(), manifest) for manifest in foreign] == [None, None]


def test_what_is_gone_is_forgotten() -> None:
    starts = Starts()
    ready(starts, environment(), pod())
    starts.forget(KEY)
    assert ready(starts, known(pod()), running_pod()) is None

"""What StorageHealthy says, and for how long."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import NOW, POLICY, PREFLIGHT, init_done, set_containers

from dind_operator.controller.decide import make_plan
from dind_operator.features.storage.condition import checked
from dind_operator.state.node_reports import DaemonReport, StorageReport, VolumeReport
from dind_operator.state.observed import Observed

GIB = 2**30
FULL = VolumeReport(full=True, usedBytes=310 * 2**20, limitBytes=320 * 2**20, usedInodes=900, limitInodes=1000)
ROOM = VolumeReport(full=False, usedBytes=10 * 2**20, limitBytes=320 * 2**20)
OVERLAY2 = DaemonReport(serverVersion="26.1.5", storageDriver="overlay2")
COPYING = [
    DaemonReport(serverVersion="26.1.5", storageDriver="vfs"),
    DaemonReport(serverVersion="29.8.1", storageDriver="native"),
]


def seen(fields: dict[str, Any] | None = None, **known: Any) -> Observed:
    pod = objects.running_pod() if fields is None else objects.running_pod(fields)
    return Observed(
        **{"environment": objects.environment(fields), "pod": pod, "namespace": objects.namespace(), "node": None}
        | {"daemon": None, "now": NOW}
        | known
    )


def healthy(observed: Observed) -> dict[str, Any]:
    status = make_plan(observed, POLICY).status
    assert status is not None
    (condition,) = [item for item in status["conditions"] if item["type"] == "StorageHealthy"]
    return condition


def then(observed: Observed, **known: Any) -> Observed:
    """The next look, when the status of this one is stored."""
    status = make_plan(observed, POLICY).status
    after = replace(observed, environment=observed.environment | {"status": status})
    return replace(after, **{"volume": None, "daemon": None} | known)


def events(observed: Observed) -> list[str]:
    return [event.reason for event in make_plan(observed, POLICY).events]


def test_a_full_volume_is_told_with_used_and_limit_and_the_daemon_stays_ready() -> None:
    observed = then(seen(daemon=OVERLAY2), volume=FULL)
    condition = healthy(observed)
    assert (condition["status"], condition["reason"]) == ("False", "DiskFull")
    assert "310Mi of 320Mi and 900 of 1000 files are used" in condition["message"]
    status = make_plan(observed, POLICY).status
    assert status is not None
    assert (status["phase"], status["conditions"][0]["status"]) == ("Running", "True")
    assert events(observed) == ["DiskFull"]


def test_what_was_said_stands_until_it_is_said_otherwise_and_writes_nothing() -> None:
    full = then(seen(daemon=OVERLAY2), volume=FULL)
    quiet = then(full)
    assert healthy(quiet) == healthy(full)
    assert events(quiet) == []
    assert healthy(then(quiet, volume=ROOM))["status"] == "True"
    assert "supports overlay mounts" in healthy(then(quiet, volume=ROOM))["message"]


def test_a_container_that_was_restarted_is_asked_anew() -> None:
    full = then(then(seen(daemon=OVERLAY2), volume=FULL))
    assert healthy(full)["reason"] == "DiskFull"
    assert full.pod is not None
    full.pod["status"]["containerStatuses"][0]["restartCount"] = 1
    assert healthy(full)["status"] == "True"


def test_large_amounts_are_told_in_gib() -> None:
    volume = VolumeReport(full=True, usedBytes=99 * GIB + GIB // 2, limitBytes=100 * GIB)
    assert "99.5Gi of 100.0Gi are used" in healthy(then(seen(daemon=OVERLAY2), volume=volume))["message"]


@pytest.mark.parametrize("report", COPYING, ids=lambda report: report.storageDriver)
def test_a_driver_that_copies_is_never_silent(report: DaemonReport) -> None:
    observed = seen(daemon=report)
    assert (healthy(observed)["status"], healthy(observed)["reason"]) == ("False", "VfsStorageDriver")
    # From status too, when the log is not read again.
    assert healthy(then(observed))["reason"] == "VfsStorageDriver"
    assert f"the storage driver {report.storageDriver}, because" in healthy(observed)["message"]
    assert healthy(seen(daemon=OVERLAY2))["status"] == "True"


@pytest.mark.parametrize("report", COPYING, ids=lambda report: report.storageDriver)
def test_a_driver_that_copies_may_be_wanted(report: DaemonReport) -> None:
    condition = healthy(seen({"daemon": {"config": {"storage-driver": report.storageDriver}}}, daemon=report))
    assert condition["status"] == "True"
    assert f"the storage driver {report.storageDriver}, as set in spec.daemon" in condition["message"]


def test_without_an_overlay_the_volume_is_healthy_once_dockerd_names_its_driver() -> None:
    report = PREFLIGHT | {"storage": {"filesystem": "overlay", "overlay": False, "driver": "fuse-overlayfs"}}
    observed = seen()
    assert observed.pod is not None
    set_containers(observed.pod, init_done(report), None)
    assert (healthy(observed)["status"], healthy(observed)["reason"]) == ("Unknown", "NotChecked")
    fuse = DaemonReport(serverVersion="26.1.5", storageDriver="fuse-overlayfs")
    condition = healthy(replace(observed, daemon=fuse))
    assert condition["status"] == "True"
    assert (
        "dockerd uses the storage driver fuse-overlayfs on the volume at /var/lib/docker (overlay)"
        in condition["message"]
    )


@pytest.mark.parametrize("reason", ["FuseOverlayfsMissing", "StorageNotOverlayCapable", "HostPathInUse"])
def test_what_the_wrapper_refuses_is_the_volumes_condition(reason: str) -> None:
    observed = seen()
    assert observed.pod is not None
    message = f'{{"exitCode":1,"error":{{"check":"Storage","reason":"{reason}","message":"It does not."}}}}'
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    ended = objects.container("daemon", state, lastState=objects.terminated(1, message), restartCount=3)
    set_containers(observed.pod, None, ended)
    assert (healthy(observed)["status"], healthy(observed)["reason"]) == ("False", reason)


def test_a_check_without_an_overlay_claims_nothing() -> None:
    part = checked(StorageReport(filesystem="nfs4", overlay=False, driver="vfs"))
    assert part.status == "Unknown"
    assert "vfs" in part.message

"""The condition StorageHealthy: whether the docker volume has free space and supports a storage driver that does not copy layers.

It has three sources: the check of the init container, the storage driver that dockerd reports, and the line in the log of the daemon
about a full volume. The last report about a full volume is valid until the next one, or until the container is replaced.
"""

from dataclasses import replace

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.cluster import Event
from dind_operator.state.node_reports import StorageReport, VolumeReport
from dind_operator.state.observed import Observed

COPYING = frozenset({"vfs", "native"})
"""The storage drivers that work on all file systems, because they copy complete layers: Docker's and containerd's."""
_FAILURES = frozenset(
    {
        Reason.STORAGE_NOT_OVERLAY_CAPABLE,
        Reason.STORAGE_NOT_WRITABLE,
        Reason.FUSE_OVERLAYFS_MISSING,
        Reason.STORAGE_DRIVER_FAILED,
        Reason.DISK_FULL,
        Reason.HOST_PATH_IS_SYMLINK,
        Reason.HOST_PATH_IN_USE,
    }
)
"""Reasons of Ready that are caused by the volume."""


def checked(report: StorageReport) -> Condition:
    """The condition from the check of the init container."""
    if report.overlay:
        return Condition.true(
            Reason.STORAGE_HEALTHY, f"The volume at /var/lib/docker ({report.filesystem}) supports overlay mounts."
        )
    return Condition.unknown(
        Reason.NOT_CHECKED,
        f"The volume at /var/lib/docker ({report.filesystem}) does not support overlay mounts, or they were not tested. Whether the "
        f"storage driver {report.driver or 'that dockerd chooses'} works is known when dockerd responds.",
    )


def assess(assessment: Assessment, observed: Observed, pod: pods.Pod) -> Assessment:
    """The assessment, with the observed state of the volume after the check."""
    part = _part(assessment, observed, pod)
    return (
        assessment
        if part is None
        else replace(assessment, conditions={**assessment.conditions, ConditionType.STORAGE_HEALTHY: part})
    )


def events(observed: Observed, assessment: Assessment) -> tuple[Event, ...]:
    """An Event if the volume of a ready daemon becomes unhealthy. If the daemon is not ready, Ready records the Event."""
    part = assessment.conditions.get(ConditionType.STORAGE_HEALTHY)
    if part is None or part.status != ConditionStatus.FALSE or assessment.ready.status != ConditionStatus.TRUE:
        return ()
    if observed.reported(ConditionType.STORAGE_HEALTHY).get("reason") == part.reason:
        return ()
    return (Event(part.reason.value, part.message, warning=True),)


def _part(assessment: Assessment, observed: Observed, pod: pods.Pod) -> Condition | None:
    if assessment.ready.status != ConditionStatus.TRUE and assessment.ready.reason in _FAILURES:
        return Condition.false(assessment.ready.reason, assessment.ready.message)
    if pods.preflight(pod) is None or not pods.daemon(pod).get("started"):
        return None
    return _full(observed) or _driver(observed, pod)


def _full(observed: Observed) -> Condition | None:
    if observed.volume is not None:
        return _full_part(observed.volume) if observed.volume.full else None
    return observed.kept_of_daemon(ConditionType.STORAGE_HEALTHY, (Reason.DISK_FULL,))


def _full_part(volume: VolumeReport) -> Condition:
    used, limit = _amount(volume.usedBytes), _amount(volume.limitBytes)
    files = f" and {volume.usedInodes} of {volume.limitInodes} files" if volume.limitInodes else ""
    return Condition.false(
        Reason.DISK_FULL,
        f"The volume at /var/lib/docker is full or almost full: {used} of {limit}{files} are used. Builds fail, but the daemon keeps "
        "running. Delete unused data with docker system prune, or use a larger volume in spec.storage.",
    )


def _driver(observed: Observed, pod: pods.Pod) -> Condition | None:
    """The condition from the driver that dockerd reports; None if the result of the check is valid."""
    driver = _named_driver(observed, pod)
    if driver in COPYING:
        if (pods.node_config(pod).get("storage") or {}).get("driver") == driver:
            return Condition.true(
                Reason.STORAGE_HEALTHY,
                f"dockerd uses the storage driver {driver}, as set in spec.daemon. It copies complete layers.",
            )
        return Condition.false(
            Reason.VFS_STORAGE_DRIVER,
            f"dockerd uses the storage driver {driver}, because no other driver works on the volume at /var/lib/docker. "
            f"{driver} copies complete layers, which is slow and needs much more space. Use a volume with ext4, xfs (ftype=1) "
            "or tmpfs, and remove storage-driver from spec.daemon.",
        )
    report = pods.preflight(pod)
    if driver is None or report is None or report.storage is None or report.storage.overlay:
        return None
    return Condition.true(
        Reason.STORAGE_HEALTHY,
        f"dockerd uses the storage driver {driver} on the volume at /var/lib/docker ({report.storage.filesystem}).",
    )


def _named_driver(observed: Observed, pod: pods.Pod) -> str | None:
    if observed.daemon is not None:
        return observed.daemon.storageDriver
    status = observed.environment.get("status") or {}
    return (status.get("docker") or {}).get("storageDriver") if pods.same_start(status, pod) else None


def _amount(count: int) -> str:
    return f"{count / 2**30:.1f}Gi" if count >= 10 * 2**30 else f"{count / 2**20:.0f}Mi"

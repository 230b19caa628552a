"""The condition ImagesPreloaded: how far the images of `spec.daemon.preload` are, told by the daemon's log.

A container wrote the log, so only numbers and a known word are taken from it; the names are those that the pod was made with,
and which images the pod waits for is read from it too, not from a spec that may have changed since.
"""

from dataclasses import replace
from typing import Final

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus
from dind_operator.features.registry.pod import PRELOAD_VARIABLE
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition, late
from dind_operator.state.node_reports import PreloadReport
from dind_operator.state.observed import Observed

MIN_PAUSE_SECONDS = 3.0
MAX_PAUSE_SECONDS = 60.0
PAUSE_PART = 20
"""A twentieth of the time that the daemon has run: what has taken an hour need not be looked at every three seconds."""

_KEPT: Final = (Reason.IMAGES_PRELOADED, Reason.PRELOADING_IMAGES, Reason.PRELOAD_FAILED)
_KINDS: Final = {
    "UntrustedCertificate": "dockerd does not trust the certificate authority of the registry. Add its certificate to "
    "spec.registry.caBundles",
    "NoTls": "the registry does not use TLS. Add the registry to spec.registry.insecureRegistries",
    "Denied": "the registry denied access, or the image does not exist. Correct the credentials in the Secret of "
    "spec.registry.pullSecret, or the name of the image",
    "NotFound": "the image does not exist in the registry. Correct the name or tag of the image",
    "RateLimited": "the registry limits the rate of pulls. Wait, set spec.registry.pullSecret, or use a mirror",
    "Unreachable": "the pod cannot connect to the registry. Check the name and port of the registry, and network policies",
    "DiskFull": "the volume at /var/lib/docker is full. Use a larger volume in spec.storage",
    "Failed": "dockerd reports an error. Read the log of the container daemon",
}
"""By the helper's word: what is wrong and what to do. Any other word is told as the last."""


def images(pod: pods.Pod) -> list[str]:
    """What the pod's daemon is to have before it is ready."""
    return (pods.variable(pod, PRELOAD_VARIABLE) or "").split()


def pulling(pod: pods.Pod) -> bool:
    """The daemon answers and its images may be missing: it was started and is not ready."""
    status = pods.daemon(pod)
    return bool(images(pod)) and bool(status.get("started")) and not status.get("ready")


def pause(observed: Observed) -> float | None:
    """Seconds until the log is to be looked at again; None where nothing is pulled."""
    if observed.pod is None or not observed.reads_logs or pods.terminating(observed.pod) or not pulling(observed.pod):
        return None
    ran = pods.ran_for(observed.pod, observed.now)
    return min(max((ran.total_seconds() if ran else 0) / PAUSE_PART, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


def condition(observed: Observed) -> Condition | None:
    """The condition ImagesPreloaded; None for a pod that waits for no image."""
    pod = observed.pod
    if pod is None or pods.ended(pod) or not (wanted := images(pod)):
        return None
    kept = observed.kept_of_daemon(ConditionType.IMAGES_PRELOADED, _KEPT)
    if pods.daemon(pod).get("ready") or (kept is not None and kept.reason is Reason.IMAGES_PRELOADED):
        return Condition.true(Reason.IMAGES_PRELOADED, f"{_count(len(wanted), wanted)}.")
    if not pulling(pod):
        return Condition.unknown(Reason.NOT_CHECKED, "The images are pulled when the daemon responds.")
    if observed.preload is not None:
        return _progress(observed.preload, wanted)
    if kept is not None:
        return kept
    if observed.reads_logs:
        return Condition.false(Reason.PRELOADING_IMAGES, f"dockerd responds and starts to pull {len(wanted)} images.")
    return Condition.false(
        Reason.PRELOADING_IMAGES,
        f"dockerd responds and pulls {len(wanted)} images. The operator cannot report the progress, because it is not permitted to "
        "read pod logs (readPodLogs of the chart). Read the lines with dind-preload in the log of the container daemon.",
    )


def assess(assessment: Assessment, observed: Observed, pod: pods.Pod) -> Assessment:
    """The assessment, with what a daemon that answers still waits for."""
    if assessment.ready.reason is not Reason.PRELOADING_IMAGES:
        return assessment
    part = condition(observed)
    assert part is not None, f"the diagnosis of the pod {pod['metadata']['name']} says that images are pulled"
    if part.status is ConditionStatus.TRUE:
        # They are there, and still it is not ready: it does not answer in time.
        silent = late()
        return replace(silent, conditions={**assessment.conditions, ConditionType.DAEMON_READY: silent.ready})
    return replace(assessment, ready=part, warning=part.reason is Reason.PRELOAD_FAILED)


def _progress(report: PreloadReport, wanted: list[str]) -> Condition:
    done = _count(report.done, wanted)
    current = f"; pulling {_name(report.pulling, wanted)}" if report.pulling else ""
    if report.failing is None:
        return Condition.false(Reason.PRELOADING_IMAGES, f"{done}{current}.")
    why = _KINDS.get(report.kind, _KINDS["Failed"])
    return Condition.false(
        Reason.PRELOAD_FAILED,
        f"The image {_name(report.failing, wanted)} cannot be pulled: {why}. The pull is retried. {done}.",
    )


def _count(done: int, wanted: list[str]) -> str:
    return f"{min(done, len(wanted))} of {len(wanted)} images are pulled"


def _name(number: int, wanted: list[str]) -> str:
    return wanted[number - 1] if number <= len(wanted) else f"image {number}"

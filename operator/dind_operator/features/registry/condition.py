"""The condition ImagesPreloaded: the progress of the images in `spec.daemon.preload`, read from the log of the daemon.

A container wrote the log, so the operator uses only numbers and known words of it. The names of the images come from the pod and
not from the spec, which may have changed since the pod was created.
"""

from dataclasses import replace
from typing import Final

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition, late
from dind_operator.state.node_reports import PreloadReport
from dind_operator.state.observed import Observed

MIN_PAUSE_SECONDS = 3.0
MAX_PAUSE_SECONDS = 60.0
PAUSE_PART = 20
"""The interval of polls is a twentieth of the time that the daemon has run."""

_KEPT: Final = (Reason.IMAGES_PRELOADED, Reason.PRELOADING_IMAGES, Reason.PRELOAD_FAILED)
_KINDS: Final = {
    "UntrustedCertificate": "dockerd does not trust the certificate authority of the registry, or of a proxy or token server in "
    "front of it. Add its certificate to spec.registry.caBundles or spec.caBundle. A certificate that was added to spec.caBundle "
    "or for docker.io while the daemon is running may need a restart of the daemon",
    "NoTls": "the registry does not use TLS. Add the registry to spec.registry.insecureRegistries",
    "Denied": "the registry denied access, or the image does not exist. Correct the credentials in the Secret of "
    "spec.registry.pullSecret, or the name of the image",
    "NotFound": "the image does not exist in the registry. Correct the name or tag of the image",
    "RateLimited": "the registry limits the rate of pulls. Wait, set spec.registry.pullSecret, or use a mirror",
    "Unreachable": "the pod cannot connect to the registry. Check the name and port of the registry, and network policies",
    "DiskFull": "the volume at /var/lib/docker is full. Use a larger volume in spec.storage",
    "UserOutsideNamespace": "a file in the image belongs to a user or group ID outside the range of the user namespace, which is "
    "0 to 65535 by default. Build the image with lower IDs, or use another spec.security.mode",
    "Failed": "dockerd reports an error. Read the log of the container daemon",
}
"""The cause and the remedy by the word that the helper logs. The last entry is for any other word."""


def images(pod: pods.Pod) -> list[str]:
    """The images that the daemon of the pod pulls before it is ready."""
    preload = pods.node_config(pod).get("preload")
    return [name for name in preload if isinstance(name, str)] if isinstance(preload, list) else []


def pulling(pod: pods.Pod) -> bool:
    """Whether the daemon responds and images may be missing: its container is started and not ready."""
    status = pods.daemon(pod)
    return bool(images(pod)) and bool(status.get("started")) and not status.get("ready")


def pause(observed: Observed) -> float | None:
    """Seconds until the next poll of the log; None if no images are pulled."""
    if observed.pod is None or not observed.reads_logs or pods.terminating(observed.pod) or not pulling(observed.pod):
        return None
    ran = pods.ran_for(observed.pod, observed.now)
    return min(max((ran.total_seconds() if ran else 0) / PAUSE_PART, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


def condition(observed: Observed) -> Condition | None:
    """The condition ImagesPreloaded; None for a pod without images to preload."""
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
    """The assessment, with the progress of the images that a responding daemon waits for."""
    if assessment.ready.reason is not Reason.PRELOADING_IMAGES:
        return assessment
    part = condition(observed)
    assert part is not None, f"the diagnosis of the pod {pod['metadata']['name']} says that images are pulled"
    if part.status is ConditionStatus.TRUE:
        # All images are pulled, but the daemon does not respond in time.
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

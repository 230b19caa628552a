"""Times of the probes of the Docker daemon."""

from __future__ import annotations

from pydantic import Field

from .model import ApiModel, WholeNumber


class ProbeTuning(ApiModel):
    """Times of one probe. The operator chooses omitted values."""

    period_seconds: WholeNumber | None = Field(
        default=None, ge=1, le=3600, description="Seconds between two probes of the daemon.", examples=[10]
    )
    timeout_seconds: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="Seconds after which a probe without a response fails. Responses are slow on a node with saturated "
        "CPUs, so choose a generous value.",
        examples=[10],
    )
    failure_threshold: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Number of consecutive failures after which the kubelet considers the probe failed.",
        examples=[6],
    )


class ProbesSpec(ApiModel):
    """Times of the probes, which request `/_ping` from the daemon on its socket."""

    startup: ProbeTuning | None = Field(
        default=None,
        description="Startup probe. The other probes do not run until it succeeds. The daemon must start within "
        "`periodSeconds` times `failureThreshold`; a daemon with many images takes longer to start.",
    )
    readiness: ProbeTuning | None = Field(
        default=None,
        description="Readiness probe, which determines the condition DaemonReady. It does not restart the daemon.",
    )
    liveness: ProbeTuning | None = Field(
        default=None,
        description="Liveness probe. If it fails, the daemon restarts, which ends all nested containers and builds. The "
        "defaults are therefore slow.",
    )

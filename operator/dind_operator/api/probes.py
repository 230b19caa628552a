"""How often the nested daemon is asked whether it lives. What is asked is not the user's choice."""

from __future__ import annotations

from pydantic import Field

from .model import ApiModel, WholeNumber


class ProbeTuning(ApiModel):
    """Times of one probe. What is left out is chosen by the operator."""

    period_seconds: WholeNumber | None = Field(
        default=None, ge=1, le=3600, description="Seconds between two probes.", examples=[10]
    )
    timeout_seconds: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="Seconds after which a probe that has not answered counts as failed. A node whose cpu is saturated "
        "answers late: keep it generous.",
        examples=[10],
    )
    failure_threshold: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Failures in a row after which the probe as a whole has failed.",
        examples=[6],
    )


class ProbesSpec(ApiModel):
    """Times of the probes that ask the nested daemon for `/_ping` on its socket."""

    startup: ProbeTuning | None = Field(
        default=None,
        description="Until it succeeds the others do not run. Period times threshold is how long the daemon may take "
        "to start; a large image store takes longer.",
    )
    readiness: ProbeTuning | None = Field(
        default=None, description="Decides the condition DaemonReady. Nothing is restarted by it."
    )
    liveness: ProbeTuning | None = Field(
        default=None,
        description="Restarts the daemon when it fails, and so kills every nested container and build: it is slow "
        "on purpose.",
    )

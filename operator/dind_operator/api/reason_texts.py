"""Words, meanings and remedies of some reasons: a part of ``reasons``, which is too long for one file.

Each is what ``reasons`` would have in its place: the word, what it means, what to do about it.
"""

from __future__ import annotations

from typing import Final

# What the installation allows, and what is protected
POLICY_VIOLATION: Final = (
    "PolicyViolation",
    "The environment asks for what the installation's policy does not allow. No pod is made; one that runs goes on.",
    "Change the fields that the message names, or have the policy changed (docs/guard-rails.md).",
)
DISRUPTION_BUDGET: Final = "DisruptionBudget", "A PodDisruptionBudget refuses evictions of the pod."
DISRUPTION_BUDGET_MISSING: Final = (
    "DisruptionBudgetMissing",
    "The PodDisruptionBudget that `spec.disruptionPolicy` asks for cannot be made; evictions are not held up.",
    "Remove what the message names: another PodDisruptionBudget of the environment's name, or a rule that refuses it.",
)

# Where nested containers are
ISOLATION_VERIFIED: Final = (
    "IsolationVerified",
    "A container that the Docker API started is in a cgroup below the pod's.",
)
NESTED_OUTSIDE_POD: Final = (
    "NestedOutsidePod",
    "A container that the Docker API started is outside the pod's cgroup: the pod's limits do not hold it.",
    ("Use a daemon image with an unchanged dockerd, and delete the pod to start again."),
)

# The pod's checks
FUSE_OVERLAYFS_MISSING: Final = (
    "FuseOverlayfsMissing",
    "The volume carries no overlay, and fuse-overlayfs, which could help, is not in the image or has no /dev/fuse.",
    "Use a volume on ext4, xfs or tmpfs; or an image with fuse-overlayfs, in mode Privileged, on a node with fuse.",
)
INSTALL_FAILED: Final = (
    "InstallFailed",
    "The daemon's wrapper could not be copied into the pod's own volume.",
    ("Check that the node's disk is neither full nor read-only, and the node-tool image's version."),
)

# Images and registries
IMAGES_PRELOADED: Final = "ImagesPreloaded", "The images of `spec.daemon.preload` are there."
PRELOADING_IMAGES: Final = (
    "PreloadingImages",
    "dockerd answers, and the images of `spec.daemon.preload` are pulled before the environment is Ready.",
)
PRELOAD_FAILED: Final = (
    "PreloadFailed",
    "An image of `spec.daemon.preload` cannot be pulled. It is tried again and again; the daemon is not restarted for it.",
    "Do what the message says, or take the image out of `spec.daemon.preload`; dockerd's own sentence is in the pod's log.",
)
REGISTRY_FILES_MISSING: Final = (
    "RegistryFilesMissing",
    "A ConfigMap or Secret that `spec.registry` names, or its key, is not there or holds something else.",
    "Make what the message names. The pod goes on by itself within five minutes, or at once when it is deleted.",
)

# The endpoint
ENDPOINT_READY: Final = (
    "EndpointReady",
    "The daemon answers on port 2376 to clients with the present certificate.",
)
ENDPOINT_DISABLED: Final = (
    "EndpointDisabled",
    "There is no endpoint, as `spec.endpoint.enabled` asks.",
)
ENDPOINT_NOT_IN_POD: Final = (
    "EndpointNotInPod",
    "The pod was made without an endpoint, by an earlier operator or for an earlier spec.",
    "Nothing is restarted for it: delete the pod when it suits you, and the next one has the endpoint.",
)
ENDPOINT_CONFLICT: Final = (
    "EndpointConflict",
    "A Secret, Service or NetworkPolicy of the endpoint's names exists and does not belong to the environment.",
    "Delete or rename what the message names, give the environment another name, or set `spec.endpoint.enabled` false.",
)
ENDPOINT_REFUSED: Final = (
    "EndpointRefused",
    "The API server refused an object of the endpoint: a missing permission, a quota or a policy.",
    "Read the message, which is the API server's own, and have the permission, quota or policy changed.",
)
CREDENTIALS_PENDING: Final = (
    "CredentialsPending",
    "The Secrets hold new credentials, and the daemon still runs with the old ones: it reads them once, at its start.",
    "With updatePolicy OnDelete, delete the pod when it suits you; until then clients with old certificates get in.",
)
CERTIFICATE_RENEWED: Final = (
    "CertificateRenewed",
    "The daemon's certificate nears its end and was renewed; the daemon takes the new one when it is started again.",
    "Delete the pod when it suits you, before the time that the message names.",
)
CERTIFICATE_EXPIRED: Final = (
    "CertificateExpired",
    "The certificate that the daemon runs with has ended: clients refuse it.",
    "Delete the pod: the next one has the renewed certificate.",
)

# How long an environment lives, and whether it is used
TIME_TO_LIVE_OVER: Final = (
    "TimeToLiveOver",
    "The environment has lived as long as `spec.lifetime.ttl` allows.",
    "Raise or remove `spec.lifetime.ttl`, or set the annotation `dind.dev/extend-until` to a later time.",
)
IDLE_TOO_LONG: Final = (
    "IdleTooLong",
    "Nobody has used the environment for as long as `spec.lifetime.idleTimeout` allows.",
    "Set the annotation `dind.dev/extend-until` to a later time, or raise or remove `spec.lifetime.idleTimeout`.",
)
ACTIVITY_KNOWN: Final = "ActivityKnown", "The pod's helper tells, by the daemon's log, whether the environment is used."
POD_LOGS_NOT_READ: Final = (
    "PodLogsNotRead",
    "The installation does not let the operator read pod logs, so the idle timeout does not work.",
    "Have `readPodLogs` of the chart set to true, or use `spec.lifetime.ttl`.",
)
ACTIVITY_NOT_SEEN: Final = (
    "ActivityNotSeen",
    "The pod's helper cannot see calls of the Docker API, so the idle timeout does not work.",
    "Delete the pod, so that one of this version is made, or use `spec.lifetime.ttl`.",
)

# Whether the pod follows the spec
UP_TO_DATE: Final = "UpToDate", "The pod is made from the present spec by the present operator."
SPEC_CHANGED: Final = (
    "SpecChanged",
    "The spec changed in a way that needs a new pod.",
    ("With updatePolicy OnDelete, delete the pod when it suits you."),
)
OPERATOR_CHANGED: Final = (
    "OperatorChanged",
    "The operator was upgraded and would make the pod differently.",
    ("Nothing has to be done; the change is applied when the pod is next made. Delete the pod to have it now."),
)

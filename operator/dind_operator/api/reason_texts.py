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

# What stands in the way of a pod
HOST_PATH_NOT_ALLOWED: Final = (
    "HostPathNotAllowed",
    "The installation does not allow the folder of `spec.storage.hostPath.path`; no pod is made.",
    "Choose a folder directly below an allowed prefix, have one allowed (docs/storage.md), or use another volume.",
)
HOST_PATH_IN_USE: Final = (
    "HostPathInUse",
    "Another environment has that folder of the node, one above it or one in it.",
    "Choose another folder, or another node for each by `kubernetes.io/hostname` in `spec.scheduling.nodeSelector`.",
)
RUNTIME_HANDLER_MISSING: Final = (
    "RuntimeHandlerMissing",
    "The node's container runtime lacks the RuntimeClass's handler, or cannot make user namespaces.",
    ("Add the handler on the node (docs/security.md), or choose other nodes with `spec.scheduling`."),
)
API_CALL_FAILED: Final = (
    "ApiCallFailed",
    "The API server, or a webhook that it asks, could not do what the environment's pod needs; it is tried again.",
    ("Read the message, which is the API server's own: most often a webhook on pods does not answer."),
)
RUNTIME_CLASS_MISSING: Final = (
    "RuntimeClassMissing",
    "The cluster has no RuntimeClass of the name that the pod asks for.",
    ("Have it made (docs/security.md), or name another in `spec.security.runtimeClassName`."),
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

# The docker volume
FUSE_OVERLAYFS_MISSING: Final = (
    "FuseOverlayfsMissing",
    "The volume carries no overlay, and fuse-overlayfs, which could help, is not in the image or has no /dev/fuse.",
    "Use a volume on ext4, xfs or tmpfs; or an image with fuse-overlayfs, in mode Privileged, on a node with fuse.",
)
COPYING_DRIVER: Final = (
    "CopyingDriver",
    "dockerd copies every layer whole (storage driver vfs), because nothing better worked on the volume.",
    ("Use a volume on ext4, xfs (ftype=1) or tmpfs, and leave `storage-driver` out of `spec.daemon`."),
)

# The nested networks
NETWORK_CLEAR: Final = (
    "NetworkClear",
    "Bridge and pools of the nested networks are clear of what is in use around the pod.",
)
NETWORK_COLLISION: Final = (
    "NetworkCollision",
    "A range that was chosen for nested networks is in use around the pod, or no range is left.",
    "Correct the field that the message names, under `spec.network` or `spec.daemon.config`, or leave it out.",
)
MTU_TOO_LARGE: Final = (
    "MtuTooLarge",
    "`spec.network.mtu`, or `mtu` of `spec.daemon.config`, is more than the pod's interface carries: large downloads may hang.",
    "Leave it out, and the interface's own is used; or lower it.",
)
FIREWALL_UNAVAILABLE: Final = (
    "FirewallUnavailable",
    "The packet filter that `spec.network.firewallBackend` or `spec.network.ipv6` asks for does not work with this image on "
    "this node.",
    "Leave `firewallBackend` and `ipv6` out of `spec.network`, choose the other backend, or other nodes with `spec.scheduling`.",
)

# The pod's checks
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

# Workloads
WORKLOADS_PENDING: Final = "WorkloadsPending", "The workloads wait for the daemon, or for a pod."
WORKLOADS_RUNNING: Final = "WorkloadsRunning", "At least one workload runs, or is about to run again."
WORKLOADS_SUCCEEDED: Final = (
    "WorkloadsSucceeded",
    "All workloads ended with exit code 0, and the daemon has ended after them.",
    "Nothing has to be done. Raise `spec.workloads.run` to run them again.",
)
WORKLOADS_FAILED: Final = (
    "WorkloadsFailed",
    "All workloads ended, at least one of them with another exit code than 0.",
    "Read `status.workloads` and the workload's log; raise `spec.workloads.run` to run them again.",
)
WORKLOADS_LOST: Final = (
    "WorkloadsLost",
    "The pod was evicted, deleted or lost with its node before its workloads ended, and each may run only once.",
    "Raise `spec.workloads.run` to run them again, or set `spec.workloads.restartPolicy` to OnFailure.",
)
WORKLOAD_CANNOT_START: Final = (
    "WorkloadCannotStart",
    "The node cannot start a workload: its image, or a Secret or ConfigMap that it names, is missing.",
    "Correct what the message names under `spec.workloads`; the kubelet keeps trying.",
)
SIDECARS_UNSUPPORTED: Final = (
    "SidecarsUnsupported",
    "The API server or the node is older than Kubernetes 1.29, which workloads need: without native sidecars nothing would hold "
    "them back until the daemon answers.",
    "Choose newer nodes with `spec.scheduling`, have the cluster upgraded, or remove `spec.workloads`.",
)
DOCKER_CLI_NOT_FOUND: Final = (
    "DockerCliNotFound",
    "`spec.workloads.dockerCli` is set and the daemon's image has no docker CLI, or not all of what it needs to run elsewhere.",
    "Set `spec.daemon.image` to an image with the docker CLI, or set `dockerCli` to false and have it in the workload's image.",
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

"""Every reason that a condition may carry, with what it means and what to do about it.

A reason is a word programs may compare. The documentation beside it is the one users read in docs/api.md.
"""

from __future__ import annotations

from . import reason_texts
from .documented import Documented


class Reason(Documented):
    """Why a condition is as it is."""

    # Life of an environment
    PENDING = (
        "Pending",
        "The operator has not looked at the environment yet.",
        ("If it stays, check that the operator runs: `kubectl get pods -A -l app.kubernetes.io/name=dind-operator`."),
    )
    READY = "Ready", "The nested daemon answers."
    SUSPENDING = "Suspending", "The environment is being suspended; its pod is ending."
    SUSPENDED = (
        "Suspended",
        "The environment is suspended, as `spec.operatingMode` asks.",
        ("Set `spec.operatingMode` to Running to resume."),
    )
    TERMINATING = "Terminating", "The old pod is shutting down; a new one follows."
    POD_PENDING = "PodPending", "The pod exists and its containers have not started yet."
    INITIALIZING = "Initializing", "The pod's checks run in the init container."
    DAEMON_STARTING = "DaemonStarting", "The daemon's container runs and dockerd does not answer yet."
    DAEMON_NOT_READY = (
        "DaemonNotReady",
        "dockerd answered before and does not answer now.",
        ("Wait: a daemon that is only busy answers again. If it does not, the liveness probe restarts it."),
    )
    BACKING_OFF = (
        "BackingOff",
        "Pods of the environment failed one after another; the next is made later.",
        ("Read `status.lastFailure`; the time of the next attempt is `status.recreateAfter`."),
    )
    NOT_CHECKED = "NotChecked", "The check behind this condition has not run in the present pod yet."

    # What stands in the way of a pod
    WAITING_FOR_PREDECESSOR = (
        "WaitingForPredecessor",
        "A pod that an earlier environment of the same name left is still ending.",
        "Wait; it is removed by garbage collection.",
    )
    POD_CONFLICT = (
        "PodConflict",
        "A pod of the environment's name exists and does not belong to it.",
        ("Delete or rename that pod, or give the environment another name."),
    )
    NAMESPACE_NOT_ENABLED = (
        "NamespaceNotEnabled",
        "The namespace is not open to environments.",
        ("Ask an administrator to run `kubectl label namespace <namespace> dind.dev/environments=enabled`."),
    )
    INVALID_SPEC = (
        "InvalidSpec",
        "The spec does not hold together; it was written under an older definition.",
        ("Correct the field that the message names."),
    )
    POLICY_VIOLATION = reason_texts.POLICY_VIOLATION
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "A ResourceQuota of the namespace leaves no room for the pod.",
        ("Set or lower `spec.daemon.resources`, delete other pods, or have the quota raised."),
    )
    POD_SECURITY_FORBIDDEN = (
        "PodSecurityForbidden",
        "Pod Security Admission of the namespace refuses the pod; every security mode needs more than baseline.",
        ("Use a namespace whose label `pod-security.kubernetes.io/enforce` is privileged; the operator changes none."),
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        "An admission webhook or policy refused the pod.",
        ("Read the message, which is the policy's own, and have the policy or the spec changed."),
    )
    FORBIDDEN = (
        "Forbidden",
        "The operator lacks a permission.",
        ("Grant what the message names; the chart's ClusterRole holds everything the operator needs."),
    )
    API_CALL_FAILED = reason_texts.API_CALL_FAILED
    RUNTIME_CLASS_MISSING = reason_texts.RUNTIME_CLASS_MISSING
    INVALID_POD = (
        "InvalidPod",
        "The API server refused the pod as invalid.",
        "Correct the field that the message names, most often under `spec.scheduling` or `spec.daemon.resources`.",
    )
    HOST_PATH_NOT_ALLOWED = reason_texts.HOST_PATH_NOT_ALLOWED
    HOST_PATH_IN_USE = reason_texts.HOST_PATH_IN_USE
    DISRUPTION_BUDGET = reason_texts.DISRUPTION_BUDGET
    DISRUPTION_BUDGET_MISSING = reason_texts.DISRUPTION_BUDGET_MISSING
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node can take the pod.",
        ("Read the message, which is the scheduler's own; lower the requests or change `spec.scheduling`."),
    )
    SCHEDULED = "Scheduled", "The pod was placed on a node."
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "An image of the pod cannot be pulled.",
        ("Check the image's name and `spec.daemon.imagePullSecrets`; the kubelet keeps trying."),
    )

    RUNTIME_HANDLER_MISSING = reason_texts.RUNTIME_HANDLER_MISSING

    # The pod's checks
    CGROUPS_MOUNTED = "CgroupsMounted", "The cgroup hierarchy was mounted and nested limits work."
    NO_MEMORY_LIMIT = (
        "NoMemoryLimit",
        "The cgroups work, and no memory limit holds nested containers back.",
        ("Set `spec.daemon.resources.limits.memory`; without a limit there is no reserve for the daemon either."),
    )
    CGROUPS_NOT_MOUNTABLE = (
        "CgroupsNotMountable",
        "The cgroup hierarchy cannot be mounted on this node.",
        ("Check that no policy took privileges off the pod and that its AppArmor profile allows mounts."),
    )
    CONTROLLER_MISSING = (
        "ControllerMissing",
        "The node's kernel lacks a cgroup controller that Docker needs.",
        "Enable the controller that the message names on the node, or keep environments off it with `spec.scheduling`.",
    )
    CHILD_GROUP_FAILED = (
        "ChildGroupFailed",
        "A child cgroup with limits could not be made.",
        ("Read the message; on cgroup v2 the node must delegate the controllers to pods."),
    )
    NESTED_LIMIT_NOT_POSITIVE = (
        "NestedLimitNotPositive",
        "After the reserve and a memory-backed volume nothing of the memory limit is left.",
        "Raise `spec.daemon.resources.limits.memory`, or lower `spec.daemon.reserve.memory` or `sizeLimit`.",
    )
    CGROUP_VERSION_UNSUPPORTED = (
        "CgroupVersionUnsupported",
        "The node has cgroup version 1, on which only mode Privileged works.",
        ("Boot the node with cgroup version 2, choose such nodes with `spec.scheduling`, or use mode Privileged."),
    )
    CGROUP_NOT_WRITABLE = (
        "CgroupNotWritable",
        "In mode UserNamespace the container may not write its own cgroup.",
        ("Set `cgroup_writable = true` for the RuntimeClass's handler in containerd's configuration."),
    )
    USER_NAMESPACE_MISSING = (
        "UserNamespaceMissing",
        "In mode UserNamespace the pod got no user namespace.",
        ("Use Kubernetes 1.33 or later, containerd 2.0 or later and Linux 6.3 or later on the node."),
    )
    PROC_MASKED = (
        "ProcMasked",
        "Nested containers cannot mount /proc or /sys.",
        ("Use Kubernetes 1.33 or later, and an AppArmor profile that allows mounts."),
    )
    SECURITY_MODE_UNKNOWN = (
        "SecurityModeUnknown",
        "The node tool is older than the operator and does not know the security mode.",
        ("Use node-tool and operator of the same version."),
    )
    STORAGE_HEALTHY = "StorageHealthy", "The volume at /var/lib/docker carries Docker's layers, and has room."
    STORAGE_NOT_OVERLAY_CAPABLE = (
        "StorageNotOverlayCapable",
        "No overlay can be mounted on the volume at /var/lib/docker; Docker would copy whole layers.",
        "Use a volume on ext4, xfs (ftype=1) or tmpfs; the message names the file system that was found.",
    )
    STORAGE_NOT_WRITABLE = (
        "StorageNotWritable",
        "The volume at /var/lib/docker cannot be written.",
        ("Check that the node's disk is neither full nor read-only."),
    )
    HOST_PATH_IS_LINK = (
        "HostPathIsLink",
        "The folder of `spec.storage.hostPath.path` is reached through a symbolic link, or is no folder.",
        ("Have the link removed on the node, or choose another folder."),
    )
    FUSE_OVERLAYFS_MISSING = reason_texts.FUSE_OVERLAYFS_MISSING
    COPYING_DRIVER = reason_texts.COPYING_DRIVER
    INSTALL_FAILED = reason_texts.INSTALL_FAILED
    PREFLIGHT_FAILED = (
        "PreflightFailed",
        "The pod's checks failed without a report that could be read.",
        ("Read the log of the init container mount-cgroups."),
    )
    APPARMOR_UNAVAILABLE = (
        "AppArmorUnavailable",
        "The node cannot enforce the AppArmor profile: it has no AppArmor, or the profile is not loaded.",
        "Load the profile on the nodes, choose such nodes with `spec.scheduling`, or use another "
        "`spec.security.appArmorProfile`.",
    )

    # The daemon
    INVALID_DAEMON_CONFIG = (
        "InvalidDaemonConfig",
        "dockerd refused its settings and ended.",
        ("Correct `spec.daemon.config` or `spec.daemon.args`; `report` and the pod's log have dockerd's own sentence."),
    )
    DAEMON_NOT_FOUND = (
        "DaemonNotFound",
        "The daemon's image has no dockerd.",
        "Set `spec.daemon.image` to an image with the Docker daemon, such as docker:dind.",
    )
    DAEMON_NOT_RUNNABLE = (
        "DaemonNotRunnable",
        "dockerd of the daemon's image does not run on this node.",
        "Check that the image fits the node's architecture.",
    )
    STORAGE_DRIVER_FAILED = (
        "StorageDriverFailed",
        "dockerd could not use its storage driver on the volume at /var/lib/docker.",
        "Leave `storage-driver` out of `spec.daemon.config` and `args`, or give the volume another file system.",
    )
    NETWORK_SETUP_FAILED = (
        "NetworkSetupFailed",
        "dockerd could not set up its bridge or its firewall rules.",
        "Check that the node has the kernel modules for iptables or nftables and bridges, and that the addresses in "
        "`spec.daemon.config` (bip, default-address-pools) are free.",
    )
    DISK_FULL = (
        "DiskFull",
        "The volume at /var/lib/docker is full or nearly so: builds fail. The daemon goes on, unless it was just starting.",
        "Remove images and build cache (`docker system prune`), or give `spec.storage` a larger volume.",
    )
    DAEMON_FAILED = (
        "DaemonFailed",
        "dockerd ended with an error.",
        ("Read the log of the container daemon: `kubectl logs <pod> -c daemon --previous`."),
    )
    DAEMON_CRASH_LOOP = (
        "DaemonCrashLoop",
        "dockerd ends again and again; the kubelet waits between restarts.",
        ("Read `status.lastFailure` and the log: `kubectl logs <pod> -c daemon --previous`."),
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "The daemon was killed because the pod's memory limit was reached.",
        ("Raise `spec.daemon.resources.limits.memory` or `spec.daemon.reserve.memory`."),
    )
    POD_FAILED = "PodFailed", "The pod failed and is replaced.", "Read the message and `status.lastFailure`."
    EVICTED = (
        "Evicted",
        "The node evicted the pod to win back memory or disk; it is replaced.",
        ("Set `storage.emptyDir.sizeLimit` and requests that match what builds use."),
    )
    NODE_LOST = (
        "NodeLost",
        "The pod's node does not answer.",
        "Bring the node back, or delete it or taint it `node.kubernetes.io/out-of-service` so that the pod can be replaced.",
    )

    # The nested networks
    NETWORK_CLEAR = reason_texts.NETWORK_CLEAR
    NETWORK_COLLISION = reason_texts.NETWORK_COLLISION
    MTU_TOO_LARGE = reason_texts.MTU_TOO_LARGE
    FIREWALL_UNAVAILABLE = reason_texts.FIREWALL_UNAVAILABLE

    # Where nested containers are
    ISOLATION_VERIFIED = reason_texts.ISOLATION_VERIFIED
    NESTED_OUTSIDE_POD = reason_texts.NESTED_OUTSIDE_POD

    # Images and registries
    IMAGES_PRELOADED = reason_texts.IMAGES_PRELOADED
    PRELOADING_IMAGES = reason_texts.PRELOADING_IMAGES
    PRELOAD_FAILED = reason_texts.PRELOAD_FAILED
    REGISTRY_FILES_MISSING = reason_texts.REGISTRY_FILES_MISSING

    # The endpoint
    ENDPOINT_READY = reason_texts.ENDPOINT_READY
    ENDPOINT_DISABLED = reason_texts.ENDPOINT_DISABLED
    ENDPOINT_NOT_IN_POD = reason_texts.ENDPOINT_NOT_IN_POD
    ENDPOINT_CONFLICT = reason_texts.ENDPOINT_CONFLICT
    ENDPOINT_REFUSED = reason_texts.ENDPOINT_REFUSED
    CREDENTIALS_PENDING = reason_texts.CREDENTIALS_PENDING
    CERTIFICATE_RENEWED = reason_texts.CERTIFICATE_RENEWED
    CERTIFICATE_EXPIRED = reason_texts.CERTIFICATE_EXPIRED

    # How long an environment lives, and whether it is used
    TIME_TO_LIVE_OVER = reason_texts.TIME_TO_LIVE_OVER
    IDLE_TOO_LONG = reason_texts.IDLE_TOO_LONG
    ACTIVITY_KNOWN = reason_texts.ACTIVITY_KNOWN
    POD_LOGS_NOT_READ = reason_texts.POD_LOGS_NOT_READ
    ACTIVITY_NOT_SEEN = reason_texts.ACTIVITY_NOT_SEEN

    # Workloads
    WORKLOADS_PENDING = reason_texts.WORKLOADS_PENDING
    WORKLOADS_RUNNING = reason_texts.WORKLOADS_RUNNING
    WORKLOADS_SUCCEEDED = reason_texts.WORKLOADS_SUCCEEDED
    WORKLOADS_FAILED = reason_texts.WORKLOADS_FAILED
    WORKLOADS_LOST = reason_texts.WORKLOADS_LOST
    WORKLOAD_CANNOT_START = reason_texts.WORKLOAD_CANNOT_START
    SIDECARS_UNSUPPORTED = reason_texts.SIDECARS_UNSUPPORTED
    DOCKER_CLI_NOT_FOUND = reason_texts.DOCKER_CLI_NOT_FOUND

    # Whether the pod follows the spec
    UP_TO_DATE = reason_texts.UP_TO_DATE
    SPEC_CHANGED = reason_texts.SPEC_CHANGED
    OPERATOR_CHANGED = reason_texts.OPERATOR_CHANGED

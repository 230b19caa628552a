"""Every reason that a condition may carry, with what it means and what to do about it.

Programs may compare reasons. docs/api.md is generated from the texts beside them.
"""

from __future__ import annotations

from .documented import Documented


class Reason(Documented):
    """Why a condition has its status."""

    # Phases of an environment
    PENDING = (
        "Pending",
        "The operator has not processed the environment yet.",
        "If it stays, check that the operator is running: `kubectl get pods -A -l app.kubernetes.io/name=dind-operator`.",
    )
    READY = "Ready", "The Docker daemon responds to requests."
    SUSPENDING = "Suspending", "The environment is being suspended and its pod is terminating."
    SUSPENDED = (
        "Suspended",
        "The environment is suspended because `spec.operatingMode` is `Suspended`.",
        "Set `spec.operatingMode` to `Running` to resume it.",
    )
    TERMINATING = "Terminating", "The previous pod is terminating. The operator creates a new pod when it is gone."
    POD_PENDING = "PodPending", "The pod exists, but its containers have not started."
    INITIALIZING = "Initializing", "The init container is checking the node."
    DAEMON_STARTING = "DaemonStarting", "The daemon's container is running, but dockerd does not respond yet."
    DAEMON_NOT_READY = (
        "DaemonNotReady",
        "dockerd responded before and does not respond now.",
        "Wait: a busy daemon responds again. Otherwise the liveness probe restarts it.",
    )
    BACKING_OFF = (
        "BackingOff",
        "Several pods of the environment failed in a row. The operator waits before it creates the next one.",
        "Read `status.lastFailure`. `status.recreateAfter` is the time of the next attempt.",
    )
    NOT_CHECKED = "NotChecked", "The check for this condition has not run in the current pod."

    # No pod can be created
    WAITING_FOR_PREVIOUS_POD = (
        "WaitingForPreviousPod",
        "The pod of a deleted environment with the same name still exists.",
        "Wait until garbage collection has removed the pod.",
    )
    POD_CONFLICT = (
        "PodConflict",
        "A pod with the environment's name exists and is not controlled by the environment.",
        "Delete that pod, or create the environment with another name.",
    )
    NAMESPACE_NOT_ENABLED = (
        "NamespaceNotEnabled",
        "Environments are not enabled in this namespace.",
        "Ask an administrator to run `kubectl label namespace <namespace> dind.dev/environments=enabled`.",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        "The spec is invalid. It was stored under an older version of the CustomResourceDefinition, or violates a rule that the "
        "API server cannot check.",
        "Correct the field that the message names.",
    )
    POLICY_VIOLATION = (
        "PolicyViolation",
        "The spec violates the policy of this installation. The operator creates no pod; a running pod is not deleted, "
        "unless the environment is older than `maxTtl` of the policy.",
        "Change the fields that the message names, or ask an administrator to change the policy (docs/policy.md).",
    )
    ENDPOINTS_NOT_SERVED = (
        "EndpointsNotServed",
        "The spec enables the endpoint, but this installation does not serve endpoints. The operator creates no pod; a running "
        "pod is not deleted.",
        "Set `spec.endpoint.enabled` to `false`, or ask an administrator to set the chart's value `endpoints.enabled` to `true`.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "The pod would exceed a ResourceQuota of the namespace.",
        "Set or lower `spec.daemon.resources`, delete other pods, or ask an administrator to raise the quota.",
    )
    POD_SECURITY_FORBIDDEN = (
        "PodSecurityForbidden",
        "Pod Security Admission forbids the pod. Every security mode needs the level `privileged`.",
        "Use a namespace with the label `pod-security.kubernetes.io/enforce: privileged`. The operator does not change labels.",
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        "An admission webhook or policy denied the pod.",
        "Read the message, which is the text of the webhook or policy. Change the spec or the policy.",
    )
    FORBIDDEN = (
        "Forbidden",
        "The operator lacks a permission.",
        "Grant the permission that the message names. The chart's ClusterRole grants all permissions that the operator needs.",
    )
    API_CALL_FAILED = (
        "ApiCallFailed",
        "The API server, or a webhook that it calls, failed to process a request for the pod. The operator retries.",
        "Read the message, which is the text of the API server. Often a webhook for pods does not respond.",
    )
    RUNTIME_CLASS_MISSING = (
        "RuntimeClassMissing",
        "The RuntimeClass of the pod does not exist.",
        "Create the RuntimeClass (docs/security.md), or set `spec.security.runtimeClassName` to another one.",
    )
    INVALID_POD = (
        "InvalidPod",
        "The API server rejected the pod as invalid.",
        "Correct the field that the message names, most often in `spec.scheduling` or `spec.daemon.resources`.",
    )
    HOST_PATH_NOT_ALLOWED = (
        "HostPathNotAllowed",
        "This installation does not allow the directory in `spec.storage.hostPath.path`. The operator creates no pod.",
        "Choose a directory directly below an allowed prefix, ask for a prefix (docs/storage.md), or use another volume.",
    )
    HOST_PATH_IN_USE = (
        "HostPathInUse",
        "Another environment uses this directory of the node, a parent of it, or a directory in it.",
        "Choose another directory, or place each environment on another node with `spec.scheduling.nodeSelector`.",
    )
    SERVICE_ACCOUNT_NOT_ALLOWED = (
        "ServiceAccountNotAllowed",
        "This installation does not allow the service account in `spec.security.serviceAccountName`. The operator creates no pod.",
        "Choose an allowed service account, ask an administrator to allow it (docs/security.md), or remove the field.",
    )
    SERVICE_ACCOUNT_MISSING = (
        "ServiceAccountMissing",
        "The service account of the pod does not exist in the namespace.",
        "Create the ServiceAccount, or correct `spec.security.serviceAccountName`. The operator retries.",
    )
    POD_DISRUPTION_BUDGET_READY = "PodDisruptionBudgetReady", "A PodDisruptionBudget protects the pod from eviction."
    POD_DISRUPTION_BUDGET_MISSING = (
        "PodDisruptionBudgetMissing",
        "The PodDisruptionBudget for `spec.disruptionPolicy` cannot be created. The pod can be evicted.",
        "Remove what the message names: a PodDisruptionBudget with the environment's name, or a policy that denies it.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "The scheduler found no node for the pod.",
        "Read the message, which is the text of the scheduler. Lower the requests or change `spec.scheduling`.",
    )
    SCHEDULED = "Scheduled", "The pod is assigned to a node."
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "The kubelet cannot pull an image of the pod.",
        "Check the name of the image and `spec.daemon.imagePullSecrets`. The kubelet retries.",
    )
    RUNTIME_HANDLER_MISSING = (
        "RuntimeHandlerMissing",
        "The container runtime of the node lacks the handler of the RuntimeClass, or does not support user namespaces.",
        "Configure the handler on the node (docs/security.md), or choose other nodes with `spec.scheduling`.",
    )

    # Checks of the init container
    CGROUPS_MOUNTED = "CgroupsMounted", "The cgroup hierarchy is mounted, and limits for nested containers work."
    NO_MEMORY_LIMIT = (
        "NoMemoryLimit",
        "The cgroup hierarchy is mounted, but no memory limit applies to nested containers.",
        "Set `spec.daemon.resources.limits.memory`. Without a limit, no memory is reserved for the daemon.",
    )
    INOTIFY_INSTANCES_LOW = (
        "InotifyInstancesLow",
        "The cgroup hierarchy is mounted, but the node is running out of inotify instances, which all pods share.",
        "Raise the sysctl `fs.inotify.max_user_instances` of the node, for example to 8192.",
    )
    CGROUPS_NOT_MOUNTABLE = (
        "CgroupsNotMountable",
        "The cgroup hierarchy cannot be mounted on this node.",
        "Check that no policy removes privileges from the pod, and that its AppArmor profile allows mounts.",
    )
    CONTROLLER_MISSING = (
        "ControllerMissing",
        "The kernel of the node lacks a cgroup controller that Docker needs.",
        "Enable the controller that the message names on the node, or exclude the node with `spec.scheduling`.",
    )
    CGROUP_SETUP_FAILED = (
        "CgroupSetupFailed",
        "A child cgroup with limits cannot be created.",
        "Read the message. On cgroup v2 the node must delegate the controllers to pods.",
    )
    MEMORY_LIMIT_TOO_LOW = (
        "MemoryLimitTooLow",
        "The reserve and a memory-backed volume use up the memory limit. Nothing is left for nested containers.",
        "Raise `spec.daemon.resources.limits.memory`, or lower `spec.daemon.reserve.memory` or `sizeLimit`.",
    )
    CGROUP_VERSION_UNSUPPORTED = (
        "CgroupVersionUnsupported",
        "The node uses cgroup v1, which supports only the mode `Privileged`.",
        "Use nodes with cgroup v2, which you can select with `spec.scheduling`, or the mode `Privileged`.",
    )
    CGROUP_NOT_WRITABLE = (
        "CgroupNotWritable",
        "The container cannot write to its own cgroup, which the mode `UserNamespace` needs.",
        "Set `cgroup_writable = true` for the handler of the RuntimeClass in the configuration of containerd.",
    )
    USER_NAMESPACE_MISSING = (
        "UserNamespaceMissing",
        "The pod does not run in a user namespace, which the mode `UserNamespace` needs.",
        "Use Kubernetes 1.33 or later, and nodes with containerd 2.1 or later and Linux 6.3 or later.",
    )
    PROC_MASKED = (
        "ProcMasked",
        "Nested containers cannot mount /proc or /sys.",
        "Use Kubernetes 1.33 or later, and an AppArmor profile that allows mounts.",
    )
    SECURITY_MODE_UNKNOWN = (
        "SecurityModeUnknown",
        "The node-tool image is older than the operator and does not support this security mode.",
        "Use the same version of the operator and of node-tool.",
    )
    STORAGE_HEALTHY = (
        "StorageHealthy",
        "The volume at /var/lib/docker supports overlay file systems and has free space.",
    )
    STORAGE_NOT_OVERLAY_CAPABLE = (
        "StorageNotOverlayCapable",
        "The volume at /var/lib/docker does not support overlay file systems. Docker would copy complete layers.",
        "Use a volume with ext4, xfs (ftype=1) or tmpfs. The message names the file system of the volume.",
    )
    STORAGE_NOT_WRITABLE = (
        "StorageNotWritable",
        "The volume at /var/lib/docker is not writable.",
        "Check that the disk of the node is not full and not read-only.",
    )
    HOST_PATH_IS_SYMLINK = (
        "HostPathIsSymlink",
        "`spec.storage.hostPath.path` leads through a symbolic link, or is not a directory.",
        "Ask for the link to be removed from the node, or choose another directory.",
    )
    FUSE_OVERLAYFS_MISSING = (
        "FuseOverlayfsMissing",
        "The volume does not support overlay file systems, and fuse-overlayfs is not in the image or has no /dev/fuse.",
        "Use a volume with ext4, xfs or tmpfs, or an image with fuse-overlayfs in the mode `Privileged` on a node with FUSE.",
    )
    VFS_STORAGE_DRIVER = (
        "VfsStorageDriver",
        "dockerd uses the storage driver vfs or native, which copies complete layers, because no other driver works on the volume.",
        "Use a volume with ext4, xfs (ftype=1) or tmpfs, and do not set `storage-driver` in `spec.daemon`.",
    )
    NODE_TOOL_INSTALL_FAILED = (
        "NodeToolInstallFailed",
        "The init container cannot copy the entrypoint of the daemon to the volume for it.",
        "Check that the disk of the node is not full and not read-only, and the version of the node-tool image.",
    )
    PREFLIGHT_FAILED = (
        "PreflightFailed",
        "The init container failed without a valid report.",
        "Read the log of the init container: `kubectl logs <pod> -c mount-cgroups`.",
    )
    APPARMOR_UNAVAILABLE = (
        "AppArmorUnavailable",
        "The node cannot enforce the AppArmor profile: AppArmor is disabled, or the profile is not loaded.",
        "Load the profile on the nodes, choose other nodes with `spec.scheduling`, or change `spec.security.appArmorProfile`.",
    )

    SYSCTL_FORBIDDEN = (
        "SysctlForbidden",
        "The kubelet of the node does not allow a kernel parameter in `spec.security.sysctls`.",
        "Remove it from `spec.security.sysctls`, or choose nodes whose kubelet allows it (`allowedUnsafeSysctls`).",
    )

    # The daemon
    INVALID_DAEMON_CONFIG = (
        "InvalidDaemonConfig",
        "dockerd rejected its configuration and exited, or it does not support `spec.registry.mirrorsFor`.",
        "Correct `spec.daemon.config` or `spec.daemon.args`, or follow the message. `report` and the log of the pod contain the "
        "message of dockerd.",
    )
    DAEMON_NOT_FOUND = (
        "DaemonNotFound",
        "The image of the daemon does not contain dockerd.",
        "Set `spec.daemon.image` to an image that contains the Docker daemon, such as docker:dind.",
    )
    DAEMON_NOT_RUNNABLE = (
        "DaemonNotRunnable",
        "The dockerd of the image cannot be executed on this node.",
        "Check that the image supports the architecture of the node.",
    )
    STORAGE_DRIVER_FAILED = (
        "StorageDriverFailed",
        "The storage driver of dockerd does not work on the volume at /var/lib/docker.",
        "Remove `storage-driver` from `spec.daemon.config` and `args`, or use a volume with another file system.",
    )
    NETWORK_SETUP_FAILED = (
        "NetworkSetupFailed",
        "dockerd cannot create its bridge or its firewall rules.",
        "Check that the node has kernel modules for bridges and for iptables or nftables, and that the addresses in "
        "`spec.daemon.config` (bip, default-address-pools) are unused.",
    )
    DISK_FULL = (
        "DiskFull",
        "The volume at /var/lib/docker is full or almost full. Builds fail; a running daemon continues to run.",
        "Remove images and build cache (`docker system prune`), or increase the size in `spec.storage`.",
    )
    DAEMON_FAILED = (
        "DaemonFailed",
        "dockerd exited with an error.",
        "Read the log of the container: `kubectl logs <pod> -c daemon --previous`.",
    )
    DAEMON_CRASH_LOOP = (
        "DaemonCrashLoop",
        "dockerd exits repeatedly. The kubelet waits between restarts.",
        "Read `status.lastFailure` and the log of the container: `kubectl logs <pod> -c daemon --previous`.",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "The daemon was killed because the pod reached its memory limit, or the node stopped it because a nested container did.",
        "Raise `spec.daemon.resources.limits.memory` or `spec.daemon.reserve.memory`. If the node stopped it, set "
        "`singleProcessOOMKill: true` in the configuration of the kubelet.",
    )
    POD_FAILED = (
        "PodFailed",
        "The pod failed. The operator replaces it.",
        "Read the message and `status.lastFailure`.",
    )
    EVICTED = (
        "Evicted",
        "The kubelet evicted the pod because the node ran low on memory or disk. The operator replaces the pod.",
        "Set `spec.storage.emptyDir.sizeLimit` and requests that match the needs of the builds.",
    )
    NODE_LOST = (
        "NodeLost",
        "The node of the pod does not respond.",
        "Repair the node. Delete it, or add the taint `node.kubernetes.io/out-of-service`, to have the pod replaced.",
    )

    # Nested networks
    NETWORK_READY = (
        "NetworkReady",
        "The nested networks have no address conflicts, and their MTU fits the interface of the pod.",
    )
    NETWORK_COLLISION = (
        "NetworkCollision",
        "A range that is configured for nested networks is in use in the network of the pod, or no range is free.",
        "Correct or remove the field that the message names, in `spec.network` or `spec.daemon.config`.",
    )
    MTU_TOO_LARGE = (
        "MtuTooLarge",
        "`spec.network.mtu`, or `mtu` in `spec.daemon.config`, exceeds the MTU of the pod's interface. Large downloads may hang.",
        "Remove the field to use the MTU of the interface, or lower it.",
    )
    FIREWALL_UNAVAILABLE = (
        "FirewallUnavailable",
        "The iptables setup for `spec.network.firewallBackend` or `spec.network.ipv6` does not work with this image on this node, or "
        "the kernel lacks a table that this version of Docker needs.",
        "Follow the remedy in the message: remove `firewallBackend` and `ipv6` from `spec.network`, choose the other backend, or "
        "other nodes with `spec.scheduling`, or load the kernel module of the table on the node.",
    )

    # Isolation of nested containers
    ISOLATION_VERIFIED = (
        "IsolationVerified",
        "A container that was started through the Docker API runs in a cgroup below the cgroup of the pod.",
    )
    ISOLATION_FAILED = (
        "IsolationFailed",
        "A container that was started through the Docker API runs outside the cgroup of the pod, without the pod's limits.",
        "Use an image with an unmodified dockerd, and delete the pod to start again.",
    )

    CONTAINERS_CANNOT_START = (
        "ContainersCannotStart",
        "dockerd responds, but cannot start containers. The message contains the error of dockerd.",
        "Read the message. Often the image of the daemon contains a runc that is too old for its dockerd or for the kernel: use "
        "another image. The check is repeated every minute.",
    )

    # Images and registries
    IMAGES_PRELOADED = "ImagesPreloaded", "All images in `spec.daemon.preload` are present."
    PRELOADING_IMAGES = (
        "PreloadingImages",
        "dockerd responds and pulls the images in `spec.daemon.preload`. The environment is not Ready until they are present.",
    )
    PRELOAD_FAILED = (
        "PreloadFailed",
        "An image in `spec.daemon.preload` cannot be pulled. The pull is retried; the daemon is not restarted.",
        "Follow the message, or remove the image from `spec.daemon.preload`. The log of the pod contains the message of dockerd.",
    )
    REGISTRY_FILES_MISSING = (
        "RegistryFilesMissing",
        "A ConfigMap or Secret in `spec.registry`, `spec.caBundle` or `spec.network.proxy`, or its key, does not exist or has "
        "invalid content.",
        "Create what the message names. The pod continues within five minutes, or at once if you delete it.",
    )

    # The endpoint
    ENDPOINT_READY = (
        "EndpointReady",
        "The daemon responds on port 2376 to clients with the current certificate.",
    )
    ENDPOINT_DISABLED = "EndpointDisabled", "The endpoint is disabled by `spec.endpoint.enabled`."
    ENDPOINT_NOT_IN_POD = (
        "EndpointNotInPod",
        "The pod was created without an endpoint, by an older operator or for an older spec.",
        "Delete the pod when convenient. The next pod has the endpoint.",
    )
    ENDPOINT_CONFLICT = (
        "EndpointConflict",
        "A Secret, Service or NetworkPolicy has a name that the environment needs, but the operator did not create it, or "
        "somebody added keys to it or changed its selector.",
        "Delete the object that the message names, or create the environment with another name.",
    )
    ENDPOINT_OBJECT_REJECTED = (
        "EndpointObjectRejected",
        "The API server rejected an object of the endpoint because of a missing permission, a quota or a policy.",
        "Read the message, which is the text of the API server. Ask for the permission, quota or policy to be changed.",
    )
    CREDENTIALS_PENDING = (
        "CredentialsPending",
        "The Secrets contain new credentials, but the daemon still uses the old ones. It reads them only when it starts.",
        "With `updatePolicy: OnDelete`, delete the pod when convenient. Until then clients with old certificates have access.",
    )
    CERTIFICATE_RENEWED = (
        "CertificateRenewed",
        "The certificate of the daemon was renewed before its expiry. The daemon uses the new one after its next start.",
        "Delete the pod when convenient, before the time in the message.",
    )
    CERTIFICATE_EXPIRED = (
        "CertificateExpired",
        "The certificate that the daemon uses has expired. Clients reject it.",
        "Delete the pod. The next pod uses the renewed certificate.",
    )

    # Expiry and use
    TTL_EXPIRED = (
        "TTLExpired",
        "The time to live in `spec.lifetime.ttl` has expired.",
        "Raise or remove `spec.lifetime.ttl`, or set the annotation `dind.dev/extend-until` to a later time.",
    )
    IDLE_TIMEOUT_EXCEEDED = (
        "IdleTimeoutExceeded",
        "The environment was idle for longer than `spec.lifetime.idleTimeout`.",
        "Set the annotation `dind.dev/extend-until` to a later time, or raise or remove `spec.lifetime.idleTimeout`.",
    )
    ACTIVITY_KNOWN = "ActivityKnown", "The daemon's container reports whether the environment is in use."
    POD_LOG_ACCESS_DISABLED = (
        "PodLogAccessDisabled",
        "The operator may not read pod logs in this installation, so the idle timeout does not work.",
        "Ask an administrator to set `readPodLogs` of the chart to true, or use `spec.lifetime.ttl`.",
    )
    ACTIVITY_UNAVAILABLE = (
        "ActivityUnavailable",
        "The daemon's container cannot detect requests to the Docker API, so the idle timeout does not work.",
        "Delete the pod to have it created by the current version, or use `spec.lifetime.ttl`.",
    )

    # Workloads
    WORKLOADS_PENDING = "WorkloadsPending", "The workloads wait for the daemon or for a pod."
    WORKLOADS_RUNNING = "WorkloadsRunning", "At least one workload is running or about to be restarted."
    WORKLOADS_SUCCEEDED = (
        "WorkloadsSucceeded",
        "All workloads completed with exit code 0. The daemon has stopped.",
        "No action is needed. Increase `spec.workloads.run` to run the workloads again.",
    )
    WORKLOADS_FAILED = (
        "WorkloadsFailed",
        "All workloads completed, at least one of them with an exit code other than 0.",
        "Read `status.workloads` and the log of the workload. Increase `spec.workloads.run` to run the workloads again.",
    )
    WORKLOADS_LOST = (
        "WorkloadsLost",
        "The pod was evicted, deleted or lost with its node before its workloads completed, and they may run only once.",
        "Increase `spec.workloads.run` to run them again, or set `spec.workloads.restartPolicy` to `OnFailure`.",
    )
    WORKLOAD_CANNOT_START = (
        "WorkloadCannotStart",
        "The kubelet cannot start a workload: its image, or a Secret or ConfigMap that it refers to, does not exist.",
        "Correct the field in `spec.workloads` that the message names. The kubelet retries.",
    )
    SIDECARS_UNSUPPORTED = (
        "SidecarsUnsupported",
        "The API server or the node does not support sidecar containers (Kubernetes 1.29 or later), which workloads need.",
        "Use newer nodes with `spec.scheduling`, ask for the cluster to be upgraded, or remove `spec.workloads`.",
    )
    DOCKER_CLI_NOT_FOUND = (
        "DockerCliNotFound",
        "`spec.workloads.dockerCli` is true, but the image of the daemon lacks the Docker CLI or a library that it needs.",
        "Set `spec.daemon.image` to an image with the Docker CLI, or set `dockerCli` to false and use a workload image that has it.",
    )

    # The pod and the spec
    UP_TO_DATE = "UpToDate", "The pod matches the current spec and the current version of the operator."
    SPEC_CHANGED = (
        "SpecChanged",
        "The spec changed, and the change needs a new pod.",
        "With `updatePolicy: OnDelete`, delete the pod when convenient.",
    )
    OPERATOR_CHANGED = (
        "OperatorChanged",
        "The current version of the operator would create the pod differently.",
        "No action is needed: the next pod has the change. Delete the pod to apply it now.",
    )

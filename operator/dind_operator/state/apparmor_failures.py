"""Messages for an AppArmor profile that the node cannot enforce. Pure functions.

On a node without AppArmor the kubelet rejects the pod. If AppArmor is enabled and the profile is not loaded, the container runtime
cannot create the container, and the kubelet retries until the profile is loaded. Such a pod has not failed.
"""

import re

from dind_operator.api.names import ANNOTATION_APPARMOR_PREFIX, APPARMOR_LOCALHOST_PREFIX, DAEMON_CONTAINER
from dind_operator.state import pod_status as pods

_NOT_LOADED = re.compile(r"apparmor profile (\S+ )?(is )?not (found|loaded)|apply apparmor profile", re.IGNORECASE)
"""Messages of containerd, which checks for the profile first, and of runc."""
_ALTERNATIVES = "select other nodes with spec.scheduling, or set spec.security.appArmorProfile.type to Unconfined."


def refused(pod: pods.Pod) -> str:
    """The message for a pod that the kubelet rejected because of AppArmor."""
    return (
        f"The node {pods.node_name(pod)} cannot enforce the AppArmor profile {_profile(pod)}. Enable AppArmor and load the "
        f"profile on the node, {_ALTERNATIVES}"
    )


def not_loaded(pod: pods.Pod, message: str) -> str | None:
    """The message for a container that cannot be started, if ``message`` of the runtime is about a profile that is not loaded."""
    if not _NOT_LOADED.search(message):
        return None
    return (
        f"The AppArmor profile {_profile(pod)} is not loaded on the node {pods.node_name(pod)}. Load the profile on the node; "
        "the pod starts when it is loaded (apparmor.load.enabled of the chart loads the profiles dind and dind-complain). Or "
        f"{_ALTERNATIVES}"
    )


def _profile(pod: pods.Pod) -> str:
    """The profile in the annotation of the pod. API servers before 1.30 drop the field and keep the annotation."""
    annotations = pod["metadata"].get("annotations") or {}
    value = str(annotations.get(f"{ANNOTATION_APPARMOR_PREFIX}{DAEMON_CONTAINER}") or "of the pod's annotation")
    return value.removeprefix(APPARMOR_LOCALHOST_PREFIX)

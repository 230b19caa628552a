"""An AppArmor profile that the pod's node cannot give it: which profile, which node, what to do. Pure.

A node without AppArmor refuses the pod as a whole, and that is the kubelet's word. One that has AppArmor and not the profile
takes the pod; only the container runtime finds out, when it makes the container, and it tries again until the profile is
there: such a pod is not over.
"""

import re

from dind_operator.api.names import ANNOTATION_APPARMOR_PREFIX, APPARMOR_LOCALHOST_PREFIX, DAEMON_CONTAINER
from dind_operator.state import pod_status as pods

_NOT_LOADED = re.compile(r"apparmor profile (\S+ )?(is )?not (found|loaded)|apply apparmor profile", re.IGNORECASE)
"""containerd's words, which looks for the profile first, and runc's, when the kernel does not know it."""
_ELSE = "select other nodes with spec.scheduling, or set spec.security.appArmorProfile.type to Unconfined."


def refused(pod: pods.Pod) -> str:
    """Of a pod that the kubelet refused because of AppArmor."""
    return (
        f"The node {pods.node_name(pod)} cannot enforce the AppArmor profile {_asked(pod)}. Enable AppArmor and load the profile on "
        f"the node, {_ELSE}"
    )


def not_loaded(pod: pods.Pod, said: str) -> str | None:
    """Of a container that the runtime cannot start, if what it said is about a profile that is not loaded."""
    if not _NOT_LOADED.search(said):
        return None
    return (
        f"The AppArmor profile {_asked(pod)} is not loaded on the node {pods.node_name(pod)}. Load the profile on the node; "
        "the pod starts when it is loaded (apparmor.load.enabled of the chart loads the profiles dind and dind-complain). Or "
        f"{_ELSE}"
    )


def _asked(pod: pods.Pod) -> str:
    """From the annotation, which every API server keeps: those before 1.30 drop the field."""
    annotations = pod["metadata"].get("annotations") or {}
    value = str(annotations.get(f"{ANNOTATION_APPARMOR_PREFIX}{DAEMON_CONTAINER}") or "of the pod's annotation")
    return value.removeprefix(APPARMOR_LOCALHOST_PREFIX)

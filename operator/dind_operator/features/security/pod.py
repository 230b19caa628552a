"""What each security mode asks of the node, in the pod's own words. Both containers get exactly the same.

Privileged is what it was before there were modes, to the letter: the pod of an environment that names no mode must stay
the same, so nothing is added to it, not even the variable that names the mode.
"""

from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.spec import DindEnvironmentSpec, SecurityMode
from dind_operator.features.security import apparmor
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart

MODE_VARIABLE = "DIND_SECURITY_MODE"
"""Tells the scripts in image/ the mode; without it they take Privileged."""

CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]
"""Beside the runtime's defaults: bridges and routes, iptables, mounts and namespaces. NET_RAW is among containerd's
defaults; a runtime that was told to leave it out must not break the daemon."""


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """The mode's fields of the pod and of both containers."""
    spec = environment.spec
    return PodPart(
        annotations=apparmor.annotations(spec.security.app_armor_profile, [INIT_CONTAINER, DAEMON_CONTAINER]),
        pod_fields=pod_fields(spec, settings),
        container_fields={"securityContext": security_context(spec)},
        variables=variables(spec),
    )


def security_context(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """``securityContext`` of the init container and the daemon."""
    return {
        **_of_mode(spec.security.mode),
        # An image's USER must not decide whether dockerd may work.
        "runAsUser": 0,
        "runAsGroup": 0,
        "runAsNonRoot": False,
        "appArmorProfile": apparmor.field(spec.security.app_armor_profile),
    }


def _of_mode(mode: SecurityMode) -> dict[str, Any]:
    if mode is SecurityMode.PRIVILEGED:
        return {"privileged": True}
    context: dict[str, Any] = {
        "privileged": False,
        # SYS_ADMIN demands it, and without it nothing nested could gain what its own profile allows.
        "allowPrivilegeEscalation": True,
        "capabilities": {"add": CAPABILITIES},
        # The runtime's own filter forbids keyctl, with which runc starts each nested container; dockerd puts a filter
        # of its own on each of them.
        "seccompProfile": {"type": "Unconfined"},
    }
    if mode is SecurityMode.USER_NAMESPACE:
        # In a user namespace the kernel lets nobody mount /proc anew while parts of the present one are covered.
        context["procMount"] = "Unmasked"
    return context


def pod_fields(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """Fields of the pod's spec."""
    fields: dict[str, Any] = {}
    if spec.security.mode is SecurityMode.USER_NAMESPACE:
        fields["hostUsers"] = False
    runtime_class = runtime_class_name(spec, settings)
    if runtime_class is not None:
        fields["runtimeClassName"] = runtime_class
    return fields


def runtime_class_name(spec: DindEnvironmentSpec, settings: BuildSettings) -> str | None:
    """The RuntimeClass after defaults; None for the cluster's own runtime."""
    if spec.security.runtime_class_name is None and spec.security.mode is SecurityMode.USER_NAMESPACE:
        return settings.default_runtime_class
    return spec.security.runtime_class_name


def variables(spec: DindEnvironmentSpec) -> dict[str, str]:
    """What the scripts are told of the mode, by the variable's name."""
    mode = spec.security.mode
    return {} if mode is SecurityMode.PRIVILEGED else {MODE_VARIABLE: mode.value}

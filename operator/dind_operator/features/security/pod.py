"""The security modes, the service account and sysctls as fields of the pod. Both containers have the same fields.

The mode Privileged adds nothing but ``privileged: true``: dind-node takes it if its configuration names no mode.
"""

from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.names import DAEMON_CONTAINER, INIT_CONTAINER
from dind_operator.api.spec import DindEnvironmentSpec, SecurityMode
from dind_operator.features.security import apparmor, service_accounts
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart

CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]
"""In addition to the runtime's defaults: bridges and routes, iptables, mounts and namespaces. NET_RAW is a default of containerd,
but a runtime can be configured without it."""


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """The fields of the pod and of both containers. Raises UnbuildableError (ServiceAccountNotAllowed)."""
    spec = environment.spec
    return PodPart(
        annotations=apparmor.annotations(spec.security.app_armor_profile, [INIT_CONTAINER, DAEMON_CONTAINER]),
        pod_fields={**pod_fields(spec, settings), **service_accounts.pod_fields(spec, settings)},
        pod_security={"sysctls": [item.to_dict() for item in spec.security.sysctls]} if spec.security.sysctls else {},
        container_fields={"securityContext": security_context(spec)},
        node_config=node_config(spec),
    )


def security_context(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """``securityContext`` of the init container and the daemon."""
    return {
        **_of_mode(spec.security.mode),
        # dockerd needs root, whatever USER the image sets.
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
        # SYS_ADMIN requires it, and nested containers need it to gain the privileges that their own profile allows.
        "allowPrivilegeEscalation": True,
        "capabilities": {"add": CAPABILITIES},
        # The default profile of the runtime denies keyctl, which runc needs to start a nested container. dockerd applies its own
        # profile to each nested container.
        "seccompProfile": {"type": "Unconfined"},
    }
    if mode is SecurityMode.USER_NAMESPACE:
        # In a user namespace, the kernel denies new mounts of /proc while parts of the existing one are masked.
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
    """The RuntimeClass with defaults; None for the default runtime of the cluster."""
    if spec.security.runtime_class_name is None and spec.security.mode is SecurityMode.USER_NAMESPACE:
        return settings.default_runtime_class
    return spec.security.runtime_class_name


def node_config(spec: DindEnvironmentSpec) -> dict[str, str]:
    """The mode for dind-node."""
    mode = spec.security.mode
    return {} if mode is SecurityMode.PRIVILEGED else {"security_mode": mode.value}

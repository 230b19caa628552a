"""The AppArmor profile, as the field (Kubernetes 1.30 and later) and as the annotation (earlier versions).

The API server rejects a pod in which the two differ, and later versions do not copy one to the other.
"""

from typing import Any

from dind_operator.api.names import ANNOTATION_APPARMOR_PREFIX, APPARMOR_LOCALHOST_PREFIX
from dind_operator.api.spec import AppArmorProfile, AppArmorType

_ANNOTATION_VALUES = {AppArmorType.UNCONFINED: "unconfined", AppArmorType.RUNTIME_DEFAULT: "runtime/default"}


def field(profile: AppArmorProfile) -> dict[str, Any]:
    """``securityContext.appArmorProfile``."""
    value: dict[str, Any] = {"type": profile.type.value}
    if profile.localhost_profile is not None:
        value["localhostProfile"] = profile.localhost_profile
    return value


def annotations(profile: AppArmorProfile, containers: list[str]) -> dict[str, str]:
    """The beta annotations of the named containers."""
    value = _ANNOTATION_VALUES.get(profile.type) or f"{APPARMOR_LOCALHOST_PREFIX}{profile.localhost_profile}"
    return {f"{ANNOTATION_APPARMOR_PREFIX}{container}": value for container in containers}

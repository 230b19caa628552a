"""The service account of the pod, if the installation allows it.

An account brings what the cluster gives to its pods: credentials of a cloud provider by a webhook, image pull secrets, exceptions in
admission policies. Therefore an administrator lists the accounts that environments can use. The pod never mounts the token.
"""

from typing import Any, Final

from dind_operator.api.conditions import Reason
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError

DEFAULT: Final = "default"
"""The account that Kubernetes uses if the pod names none."""


def pod_fields(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, Any]:
    """``serviceAccountName``; nothing for the default. Raises UnbuildableError (ServiceAccountNotAllowed)."""
    name = spec.security.service_account_name
    if name is None or name == DEFAULT:
        return {}
    allowed = settings.allowed_service_accounts
    if any(name.startswith(entry[:-1]) if entry.endswith("*") else name == entry for entry in allowed):
        return {"serviceAccountName": name}
    remedy = (
        f"this installation allows only {', '.join(allowed)}. Choose such a service account"
        if allowed
        else "this installation allows no service account other than default. Ask an administrator to add it to "
        "allowedServiceAccounts of the chart"
    )
    raise UnbuildableError(
        Reason.SERVICE_ACCOUNT_NOT_ALLOWED,
        f"spec.security.serviceAccountName {name} is not allowed: {remedy}, or remove the field.",
    )

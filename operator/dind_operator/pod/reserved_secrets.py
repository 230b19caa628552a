"""Secrets of the environment that no field of the spec may refer to. The Secret of the client is allowed."""

from collections.abc import Iterable

from dind_operator.api import names
from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.pod.errors import UnbuildableError


def check_secrets(environment: DindEnvironment, field: str, referred: Iterable[str]) -> None:
    """Raise UnbuildableError for the Secrets of the certificate authority and the daemon of the environment."""
    own = {f"{environment.name}{suffix}" for suffix in (names.CA_SUFFIX, names.SERVER_SUFFIX)}
    for name in referred:
        if name in own:
            raise UnbuildableError(
                Reason.INVALID_SPEC,
                f"{field} refers to the Secret {name}, which is reserved for the operator and the daemon. Use the Secret "
                f"{environment.name}{names.CLIENT_SUFFIX}, or the socket in DOCKER_HOST, which workloads have.",
            )

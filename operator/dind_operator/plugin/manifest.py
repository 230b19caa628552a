"""The DindEnvironment that `create` makes: from flags, or from a file. What holds together is the API server's to judge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from dind_operator.api import names
from dind_operator.api.lifetime import DURATION_PATTERN
from dind_operator.plugin.errors import CliError, Exit


@dataclass(frozen=True)
class Wishes:
    """The flags of `create`, None for what is left to the operator."""

    image: str | None = None
    cpu: str | None = None
    memory: str | None = None
    storage_size: str | None = None
    mode: str | None = None
    ttl: str | None = None
    idle_timeout: str | None = None
    expire: str | None = None

    def any(self) -> bool:
        """Whether something is wished for."""
        return any(value is not None for value in vars(self).values())


def from_wishes(name: str, wishes: Wishes) -> dict[str, Any]:
    """The object, with no more in its spec than was wished for. Raises CliError for a name that can be none."""
    check_name(name)
    limits = _given(cpu=wishes.cpu, memory=wishes.memory)
    daemon = _given(image=wishes.image, resources={"limits": limits} if limits else None)
    lifetime = _given(ttl=wishes.ttl, idleTimeout=wishes.idle_timeout, expire=wishes.expire)
    spec = _given(
        daemon=daemon or None,
        storage={"emptyDir": {"sizeLimit": wishes.storage_size}} if wishes.storage_size is not None else None,
        security={"mode": wishes.mode} if wishes.mode is not None else None,
        lifetime=lifetime or None,
    )
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}


def from_text(text: str, name: str | None) -> dict[str, Any]:
    """The one environment in a YAML or JSON file. Raises CliError if there is not exactly one, or if it has another name."""
    try:
        found = [item for item in yaml.safe_load_all(text) if item is not None]
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        raise CliError(
            f"the file is no YAML{place}: {getattr(error, 'problem', None) or error}.", Exit.USAGE
        ) from error
    if len(found) != 1 or not isinstance(found[0], dict) or found[0].get("kind") != names.KIND:
        raise CliError(
            f"the file must hold one {names.KIND} and nothing else. `kubectl create -f` takes files of several objects.",
            Exit.USAGE,
        )
    environment: dict[str, Any] = found[0]
    own = (environment.get("metadata") or {}).get("name")
    if name is not None and own is not None and own != name:
        raise CliError(
            f"the file's environment is called {own}, not {name}: leave NAME out, or correct one of them.", Exit.USAGE
        )
    if name is None and own is None:
        raise CliError("the file's environment has no metadata.name: give a NAME.", Exit.USAGE)
    environment["metadata"] = {**(environment.get("metadata") or {}), "name": own or name}
    check_name(str(own or name))
    return environment


def check_name(name: str) -> None:
    """Raises CliError for what is not the name of an environment, before it stands in any path."""
    if len(name) > names.NAME_MAX_LENGTH or not re.fullmatch(names.NAME_PATTERN, name):
        raise CliError(
            f"{name!r} must be the name of an environment: use at most {names.NAME_MAX_LENGTH} lower-case letters, digits and '-', "
            "starting with a letter and ending with a letter or digit.",
            Exit.USAGE,
        )


def is_duration(text: str) -> bool:
    """Whether it looks like 30m, 8h or 7d."""
    return re.fullmatch(DURATION_PATTERN, text) is not None


def _given(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}

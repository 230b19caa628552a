"""The DindEnvironment that `create` sends, from flags or from a file. The API server validates its spec."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from dind_operator.api import names
from dind_operator.api.lifetime import DURATION_PATTERN
from dind_operator.plugin.errors import CliError, Exit


@dataclass(frozen=True)
class SpecFlags:
    """The flags of `create` that set fields. None means the default of the operator."""

    image: str | None = None
    cpu: str | None = None
    memory: str | None = None
    storage_size: str | None = None
    mode: str | None = None
    ttl: str | None = None
    idle_timeout: str | None = None
    expire: str | None = None

    def any(self) -> bool:
        """Whether a flag is set."""
        return any(value is not None for value in vars(self).values())


def from_flags(name: str, flags: SpecFlags) -> dict[str, Any]:
    """The object. Its spec contains only the fields that flags set. Raises CliError for an invalid name."""
    check_name(name)
    limits = _without_none(cpu=flags.cpu, memory=flags.memory)
    daemon = _without_none(image=flags.image, resources={"limits": limits} if limits else None)
    lifetime = _without_none(ttl=flags.ttl, idleTimeout=flags.idle_timeout, expire=flags.expire)
    spec = _without_none(
        daemon=daemon or None,
        storage={"emptyDir": {"sizeLimit": flags.storage_size}} if flags.storage_size is not None else None,
        security={"mode": flags.mode} if flags.mode is not None else None,
        lifetime=lifetime or None,
    )
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}


def from_text(text: str, name: str | None) -> dict[str, Any]:
    """The environment in a YAML or JSON file. Raises CliError if there is not exactly one, or if its name is not ``name``."""
    try:
        found = [item for item in yaml.safe_load_all(text) if item is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise CliError(
            f"the file is not valid YAML{line}: {getattr(error, 'problem', None) or error}.", Exit.USAGE
        ) from error
    if len(found) != 1 or not isinstance(found[0], dict) or found[0].get("kind") != names.KIND:
        raise CliError(
            f"the file must contain exactly one {names.KIND}. For files with several objects, use `kubectl create -f`.",
            Exit.USAGE,
        )
    environment: dict[str, Any] = found[0]
    own = (environment.get("metadata") or {}).get("name")
    if name is not None and own is not None and own != name:
        raise CliError(
            f"metadata.name in the file is {own}, and NAME is {name}. Omit NAME, or correct one of them.", Exit.USAGE
        )
    if name is None and own is None:
        raise CliError("metadata.name is required in the file if NAME is omitted.", Exit.USAGE)
    environment["metadata"] = {**(environment.get("metadata") or {}), "name": own or name}
    check_name(str(own or name))
    return environment


def check_name(name: str) -> None:
    """Raises CliError for an invalid name, before the name becomes a part of a path or of a command."""
    if len(name) > names.NAME_MAX_LENGTH or not re.fullmatch(names.NAME_PATTERN, name):
        raise CliError(
            f"{name!r} must be the name of an environment: use at most {names.NAME_MAX_LENGTH} lower-case letters, digits and '-', "
            "starting with a letter and ending with a letter or digit.",
            Exit.USAGE,
        )


def is_duration(text: str) -> bool:
    """Whether the text has the format of a duration, such as 30m, 8h or 7d."""
    return re.fullmatch(DURATION_PATTERN, text) is not None


def _without_none(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}

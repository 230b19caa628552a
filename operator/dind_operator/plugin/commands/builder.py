"""`kubectl dind builder`."""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click

from dind_operator.api import names
from dind_operator.plugin import options
from dind_operator.plugin import progress as state
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import print_info
from dind_operator.plugin.session.open import find_session
from dind_operator.plugin.session.record import VARIABLES

CONFIG = "/etc/buildkit/buildkitd.toml"
"""The same path as in node/internal/registry."""
_AUTHORITY = r"/run/dind-registry/(trust|certs\.d/[^/]+)/ca\.crt"
"""The directory of certificate authorities in the daemon's container."""


@click.command()
@options.name_argument
@click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Directory of the files.  [default: NAME-builder]",
)
@options.targeted
def builder(kubectl: Kubectl, name: str, directory: Path | None) -> None:
    """Print commands that create a buildx builder.

    The builder runs in the environment, with the buildx driver docker-container, which does not use the settings of the
    daemon. The command writes a configuration with the mirrors and certificate authorities of the environment into a directory.
    The shell must be connected to the environment with `env`.

    \b
    eval "$(kubectl dind env builder)"
    eval "$(kubectl dind builder builder)"
    docker buildx build --builder builder .
    """
    state.check_not_stopped(kubectl.environment(name))
    _check_connected(kubectl, name)
    registries = _registries(_read(kubectl, name, CONFIG))
    create = ["docker", "buildx", "create", "--name", name, "--driver", "docker-container"]
    if registries:
        written = _write(kubectl, name, registries, (directory or Path(f"{name}-builder")).absolute())
        print_info(f"The configuration is in {written}.")
        create += ["--config", str(written)]
    else:
        print_info(f"{name} has neither mirrors nor certificate authorities: the builder needs no configuration.")
    # buildx does not accept TLS files from variables. The context is a copy of the variables and the files.
    context = f"dind-{name}"
    for command in (["docker", "context", "rm", "--force", context], ["docker", "context", "create", context]):
        print(shlex.join(command))
    # A builder of an earlier call has the settings of then: its container goes, its cache stays. That needs the context of now. A
    # builder of this name elsewhere is the user's own, which `create` refuses to replace.
    found = f"docker buildx inspect {shlex.quote(name)} 2>/dev/null | grep -q ' {context}$'"
    print(f"{found} && {shlex.join(['docker', 'buildx', 'rm', '--keep-state', name])} || true")
    print(shlex.join([*create, context]))


def _check_connected(kubectl: Kubectl, name: str) -> None:
    """Without the variables of the session, the builder would run in another daemon."""
    session = find_session(kubectl, name)
    if not session.state().get("port") or os.environ.get(VARIABLES[0]) != session.variables()[VARIABLES[0]]:
        raise CliError(
            f'this shell is not connected to {name}. Run: eval "$(kubectl dind env {name})"', Exit.NOT_USABLE
        )


def _read(kubectl: Kubectl, name: str, path: str) -> str:
    """A file in the daemon's container; empty if it does not exist."""
    script = '[ ! -e "$1" ] || cat "$1"'
    return kubectl(
        "exec", f"pods/{name}", f"--container={names.DAEMON_CONTAINER}", "--", "sh", "-c", script, "sh", path
    )


def _registries(text: str) -> dict[str, dict[str, Any]]:
    """The known settings of each registry.

    Whoever uses the daemon can change the file, and buildx sends every file that it names to the builder. Therefore only certificate
    authorities of the environment are accepted.
    """
    try:
        found = tomllib.loads(text).get("registry", {})
        return {str(registry): _settings(fields) for registry, fields in found.items()}
    except (tomllib.TOMLDecodeError, AttributeError, TypeError, ValueError) as error:
        raise CliError(f"the configuration of builders in the environment ({CONFIG}) is invalid: {error}") from error


def _settings(fields: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: True for key in ("http", "insecure") if fields.get(key) is True}
    for key in ("mirrors", "ca"):
        values = [str(value) for value in fields.get(key, [])]
        if values:
            kept[key] = values
    for path in kept.get("ca", []):
        if not re.fullmatch(_AUTHORITY, path):
            raise ValueError(f"{path} is not a certificate authority of the environment")
    return kept


def _write(kubectl: Kubectl, name: str, registries: dict[str, dict[str, Any]], directory: Path) -> Path:
    """Write the configuration and the certificate authorities. Returns the path of the configuration."""
    paths = list(dict.fromkeys(path for fields in registries.values() for path in fields.get("ca", [])))
    local = {path: directory / f"ca-{number}.crt" for number, path in enumerate(paths, start=1)}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, file in local.items():
            file.write_text(_read(kubectl, name, path))
        config = directory / "buildkitd.toml"
        config.write_text("".join(_section(registry, fields, local) for registry, fields in registries.items()))
    except OSError as error:
        raise CliError(
            f"the configuration cannot be written: {error}. Choose another directory with --directory."
        ) from error
    return config


def _section(registry: str, fields: dict[str, Any], local: dict[str, Path]) -> str:
    """TOML. Its strings and lists are those of JSON."""
    values = {**fields, **({"ca": [str(local[path]) for path in fields["ca"]]} if "ca" in fields else {})}
    lines = [f"[registry.{json.dumps(registry)}]", *(f"  {key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join([*lines, ""])

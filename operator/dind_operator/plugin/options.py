"""Options that commands share: cluster and namespace, output format, and timeout. They have the names that kubectl uses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dind_operator.plugin.errors import CliError
from dind_operator.plugin.kubectl import Kubectl, Target
from dind_operator.plugin.kubectl_errors import ENVIRONMENTS
from dind_operator.plugin.manifest import check_name

F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"s": 1, "m": 60, "h": 3600}
MAX_SECONDS = 24 * 3600
"""The maximum of --timeout."""


class Seconds(click.ParamType):  # type: ignore[type-arg]  # a generic only in later releases of click
    """A duration such as 90s, 5m or 1h. A number without a unit is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"([0-9]{1,6})([smh]?)", value)
        seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else -1
        if not 0 <= seconds <= MAX_SECONDS:
            self.fail(f"{value!r} must be a duration from 0s to 24h, such as 90s, 5m or 1h.", param, ctx)
        return float(seconds)


class Name(click.ParamType):  # type: ignore[type-arg]  # a generic only in later releases of click
    """The name of an environment. It is validated before the first request, and completed from the existing names."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            check_name(value)
        except CliError as error:
            self.fail(error.message, param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return [click.shell_completion.CompletionItem(name) for name in _names(ctx) if name.startswith(incomplete)]


class Namespace(click.ParamType):  # type: ignore[type-arg]  # a generic only in later releases of click
    """A namespace. It is completed if the user is permitted to list namespaces."""

    name = "namespace"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        found = _listed(ctx, "namespaces")
        return [click.shell_completion.CompletionItem(name) for name in found if name.startswith(incomplete)]


def _names(ctx: click.Context) -> list[str]:
    return _listed(ctx, ENVIRONMENTS)


def _listed(ctx: click.Context, kind: str) -> list[str]:
    """The names of objects. The list is empty on failure, because a completion cannot report an error."""
    try:
        text = Kubectl(target(ctx))("get", kind, "--output=name", "--request-timeout=3s")
    except CliError:
        return []
    return [line.partition("/")[2] for line in text.split()]


_TARGET = (
    click.option(
        "-n",
        "--namespace",
        type=Namespace(),
        metavar="NAMESPACE",
        help="Namespace of the environment.  [default: the namespace of the context]",
    ),
    click.option("--context", metavar="CONTEXT", help="Context of the kubeconfig.  [default: the current context]"),
    click.option(
        "--kubeconfig", metavar="FILE", type=click.Path(), help="Path of the kubeconfig.  [default: as for kubectl]"
    ),
)


def target_options(function: F) -> F:
    """Add the options -n, --context and --kubeconfig."""
    for option in reversed(_TARGET):
        function = option(function)
    return function


def targeted(function: F) -> Callable[..., Any]:
    """Add these options to a command and pass it a ``kubectl``. Options before the name of the command are defaults."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        for name in ("namespace", "context", "kubeconfig"):
            kwargs.pop(name)
        return function(*args, kubectl=Kubectl(target(click.get_current_context())), **kwargs)

    return target_options(called)


def target(ctx: click.Context) -> Target:
    """The target from the options of the command and, as defaults, from the options before its name."""
    chosen = {}
    for name in ("kubeconfig", "context", "namespace"):
        own: click.Context | None = ctx
        while own is not None and not own.params.get(name):
            own = own.parent
        chosen[name] = own.params[name] if own is not None else None
    return Target(**chosen)


def name_argument(function: F) -> F:
    """Add the argument NAME."""
    return click.argument("name", type=Name(), metavar="NAME")(function)


def output_option(*choices: str) -> Callable[[F], F]:
    """Add the option -o with these choices. The default is text."""
    return click.option("-o", "--output", type=click.Choice(choices), help="Output format.  [default: text]")


def timeout_option(default: str) -> Callable[[F], F]:
    """Add the option --timeout."""
    return click.option("--timeout", type=Seconds(), default=default, show_default=True, help="Maximum time to wait.")


def wait_option(default: bool, what: str) -> Callable[[F], F]:
    """Add the options --wait and --no-wait."""
    return click.option(
        "--wait/--no-wait", default=default, help=f"{what}  [default: {'wait' if default else 'no-wait'}]"
    )

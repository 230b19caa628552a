"""Options that commands share: which cluster and namespace, what is printed, how long is waited. As kubectl has them."""

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
"""Nobody waits longer at a terminal; a script that does has made a mistake."""


class Seconds(click.ParamType):  # type: ignore[type-arg]  # a generic only in later releases of click
    """A time to wait, such as 90s, 5m or 1h; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"([0-9]{1,6})([smh]?)", value)
        seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else -1
        if not 0 <= seconds <= MAX_SECONDS:
            self.fail(f"{value!r} is no time from 0s to 24h: write it as 90s, 5m or 1h.", param, ctx)
        return float(seconds)


class Name(click.ParamType):  # type: ignore[type-arg]  # a generic only in later releases of click
    """An environment's name, checked before anything is asked for, and completed from those that are there."""

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
    """A namespace, completed from those the user may list."""

    name = "namespace"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        found = _listed(ctx, "namespaces")
        return [click.shell_completion.CompletionItem(name) for name in found if name.startswith(incomplete)]


def _names(ctx: click.Context) -> list[str]:
    return _listed(ctx, ENVIRONMENTS)


def _listed(ctx: click.Context, kind: str) -> list[str]:
    """Names of objects; none where they cannot be had: a completion has nobody to tell."""
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
        help="Where the environment is; by default the context's.",
    ),
    click.option("--context", metavar="CONTEXT", help="The context of the kubeconfig; by default the current one."),
    click.option(
        "--kubeconfig", metavar="FILE", type=click.Path(), help="The kubeconfig; by default kubectl's own choice."
    ),
)


def target_options(function: F) -> F:
    """-n, --context and --kubeconfig, as options only."""
    for option in reversed(_TARGET):
        function = option(function)
    return function


def targeted(function: F) -> Callable[..., Any]:
    """The same, for a command: it gets a ``kubectl``. What stands before the command's name counts where nothing follows it."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        for name in ("namespace", "context", "kubeconfig"):
            kwargs.pop(name)
        return function(*args, kubectl=Kubectl(target(click.get_current_context())), **kwargs)

    return target_options(called)


def target(ctx: click.Context) -> Target:
    """What the command's own options and those before its name come to."""
    chosen = {}
    for name in ("kubeconfig", "context", "namespace"):
        own: click.Context | None = ctx
        while own is not None and not own.params.get(name):
            own = own.parent
        chosen[name] = own.params[name] if own is not None else None
    return Target(**chosen)


def name_argument(function: F) -> F:
    """NAME."""
    return click.argument("name", type=Name(), metavar="NAME")(function)


def output_option(*choices: str) -> Callable[[F], F]:
    """-o with these choices; by default a sentence or a table."""
    return click.option("-o", "--output", type=click.Choice(choices), help="Instead of words for people.")


def timeout_option(default: str) -> Callable[[F], F]:
    """--timeout."""
    return click.option("--timeout", type=Seconds(), default=default, show_default=True, help="How long to wait.")


def wait_option(default: bool, what: str) -> Callable[[F], F]:
    """--wait and --no-wait."""
    return click.option(
        "--wait/--no-wait", default=default, help=f"{what}  [default: {'wait' if default else 'no-wait'}]"
    )

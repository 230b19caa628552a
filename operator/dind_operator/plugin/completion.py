"""Shell completion: of `kubectl dind` by kubectl, which runs `kubectl_complete-dind`, and of `kubectl-dind` by the shell."""

from __future__ import annotations

import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM = "kubectl-dind"
VARIABLE = "_KUBECTL_DIND_COMPLETE"
"""The variable with which the shell function, which click generates, requests completions from the program."""
_NO_FILES, _FILES = 4, 0
"""Cobra's completion directives for kubectl: no file names; or let the shell complete file names."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of `kubectl-dind` for a shell.

    This script is not needed for `kubectl dind`: kubectl completes it if the completion of kubectl is set up and
    `kubectl_complete-dind`, which is installed with this program, is on PATH.

    \b
    source <(kubectl dind completion bash)
    kubectl dind completion fish >~/.config/fish/completions/kubectl-dind.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    sys.stdout.write(found(root, {}, PROGRAM, VARIABLE).source())


def complete(command: click.Command, words: list[str]) -> str:
    """The completions in the format of kubectl. ``words`` follow `kubectl dind`; the last of them is incomplete."""
    *before, incomplete = words or [""]
    items = ShellComplete(command, {}, PROGRAM, VARIABLE).get_completions(before, incomplete)
    files = any(item.type in ("file", "dir") for item in items)
    lines = [f"{item.value}\t{item.help}" if item.help else str(item.value) for item in items if item.type == "plain"]
    return "\n".join([*lines, f":{_FILES if files else _NO_FILES}", ""])


def main(arguments: list[str] | None = None) -> int:
    """The program `kubectl_complete-dind`."""
    from dind_operator.plugin.main import cli  # noqa: PLC0415 - it imports this module

    sys.stdout.write(complete(cli, sys.argv[1:] if arguments is None else arguments))
    return 0

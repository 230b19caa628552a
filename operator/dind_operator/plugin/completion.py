"""Completion: of `kubectl dind` by kubectl itself, which asks a program `kubectl_complete-dind`, and of `kubectl-dind` by a shell."""

from __future__ import annotations

import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM = "kubectl-dind"
VARIABLE = "_KUBECTL_DIND_COMPLETE"
"""How a shell's function, which click writes, asks the program."""
_NO_FILES, _FILES = 4, 0
"""Cobra's words to kubectl: nothing but these; let the shell complete names of files."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion of `kubectl-dind`.

    kubectl completes `kubectl dind` by itself where its own completion is set up and `kubectl_complete-dind` is on PATH,
    which comes with this program.

    \b
    source <(kubectl dind completion bash)
    kubectl dind completion fish >~/.config/fish/completions/kubectl-dind.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    sys.stdout.write(found(root, {}, PROGRAM, VARIABLE).source())


def answer(command: click.Command, words: list[str]) -> str:
    """What kubectl is told for the words after `kubectl dind`, of which the last is incomplete."""
    *before, incomplete = words or [""]
    items = ShellComplete(command, {}, PROGRAM, VARIABLE).get_completions(before, incomplete)
    files = any(item.type in ("file", "dir") for item in items)
    lines = [f"{item.value}\t{item.help}" if item.help else str(item.value) for item in items if item.type == "plain"]
    return "\n".join([*lines, f":{_FILES if files else _NO_FILES}", ""])


def main(arguments: list[str] | None = None) -> int:
    """`kubectl_complete-dind`."""
    from dind_operator.plugin.main import cli  # noqa: PLC0415 - it imports this module

    sys.stdout.write(answer(cli, sys.argv[1:] if arguments is None else arguments))
    return 0

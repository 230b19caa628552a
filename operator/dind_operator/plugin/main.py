"""`kubectl dind`: the group of commands, and the exit code of each failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dind_operator import __version__
from dind_operator.api import json_codec
from dind_operator.plugin import completion, options
from dind_operator.plugin.commands.builder import builder
from dind_operator.plugin.commands.create import create
from dind_operator.plugin.commands.delete import delete
from dind_operator.plugin.commands.docker import docker
from dind_operator.plugin.commands.env import env
from dind_operator.plugin.commands.extend import extend
from dind_operator.plugin.commands.list import list_
from dind_operator.plugin.commands.logs import logs
from dind_operator.plugin.commands.report import report
from dind_operator.plugin.commands.resume import resume
from dind_operator.plugin.commands.shell import shell
from dind_operator.plugin.commands.suspend import suspend
from dind_operator.plugin.commands.wait import wait
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.output import print_error

PROGRAM = "kubectl dind"
INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as shells report it."""


class _OrderedGroup(click.Group):
    """Lists the commands in the order in which they are added, not in alphabetical order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_OrderedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 not permitted, 5 cluster cannot be reached, "
    "6 not ready, 7 not usable (suspended, expired, completed, being deleted, or without an endpoint), 8 rejected by the API "
    "server, 127 a program is missing, 130 interrupted. docker, shell and logs exit with the code of the program that they run.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@options.target_options
def cli(namespace: str | None, context: str | None, kubeconfig: str | None) -> None:
    """Create and use Docker daemons in a Kubernetes cluster.

    \b
    kubectl dind create builder --memory 8Gi
    eval "$(kubectl dind env builder)"
    docker run --rm hello-world
    kubectl dind delete builder
    """


for _command in (
    create,
    list_,
    wait,
    env,
    docker,
    builder,
    shell,
    logs,
    report,
    suspend,
    resume,
    extend,
    delete,
    completion.completion,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: ``errors.Exit``, or 130 for Ctrl-C."""
    json_codec.install()
    try:
        cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False, complete_var=completion.VARIABLE)
    except CliError as error:
        print_error(error.message)
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx is not None else ""
        print_error(f"{error.format_message()}{hint}")
        return Exit.USAGE
    except click.ClickException as error:
        print_error(error.format_message())
        return Exit.FAILED
    except (click.Abort, KeyboardInterrupt):
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). The interpreter must not write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())

"""`kubectl dind`: the commands, and how every one of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dind_operator import __version__
from dind_operator.plugin import completion, options
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
from dind_operator.plugin.output import complain

PROGRAM = "kubectl dind"
INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended."""


class _InOrder(click.Group):
    """Lists the commands in the order of a life, and not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not permitted, 5 cluster not reached, "
    "6 not ready (in time), 7 not usable as it is (suspended, expired, no endpoint), 8 refused by the API server, 127 a "
    "program is missing. docker, shell and logs end with the code of what they run.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@options.target_options
def cli(namespace: str | None, context: str | None, kubeconfig: str | None) -> None:
    """Docker daemons of your own in the cluster: make them, use them, be rid of them.

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
    """Exit codes: ``errors.Exit``, and 130 for Ctrl-C."""
    try:
        cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False, complete_var=completion.VARIABLE)
    except CliError as error:
        complain(error.message)
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx is not None else ""
        complain(f"{error.format_message()}{hint}")
        return Exit.USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return Exit.FAILED
    except (click.Abort, KeyboardInterrupt):
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`); the interpreter is not to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())

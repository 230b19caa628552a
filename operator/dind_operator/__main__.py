"""The command line: run the operator, print the CustomResourceDefinition, print a report about an environment."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from dind_operator import __version__

MAX_LINES = 1000
"""The maximum of lines of one log in a report, so that the report fits into a bug tracker."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 for success, 1 for a failure, 2 for invalid arguments or settings."""
    options = _parser().parse_args(arguments)
    if options.command == "run":
        return _run()
    if options.command == "crds":
        return _crds()
    return _report(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dind-operator", description="Docker-in-Docker environments on Kubernetes.")
    parser.add_argument("--version", action="version", version=f"dind-operator {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the operator, with settings from the environment variables DIND_*")
    commands.add_parser("crds", help="print the CustomResourceDefinition as YAML")
    report = commands.add_parser("report", help="print the information about an environment for a bug report")
    report.add_argument("name")
    report.add_argument("-n", "--namespace", default="default", help="namespace of the environment (default: default)")
    report.add_argument(
        "--lines", type=_lines, default=30, help="number of lines of each log, from 0 to 1000 (default: 30)"
    )
    report.add_argument(
        "--node-log",
        metavar="FILE",
        help="add the AppArmor messages about the environment from a log of its node: the output of `journalctl -k`, or audit.log; "
        "- reads standard input",
    )
    report.add_argument(
        "-o", "--output", choices=["text", "yaml"], default="text", help="output format (default: text)"
    )
    return parser


def _lines(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_LINES:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MAX_LINES}, and is {text!r}")
    return int(text)


def _run() -> int:
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - `crds` works without a client

    from dind_operator.manager import log_format  # noqa: PLC0415
    from dind_operator.manager.manager import run_operator  # noqa: PLC0415
    from dind_operator.manager.settings import Settings  # noqa: PLC0415

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            variable = f"DIND_{problem['loc'][0]}".upper()
            print(f"dind-operator: the environment variable {variable}: {problem['msg']}", file=sys.stderr)
        return 2
    log_format.configure(settings.log_format, settings.log_level)
    try:
        return asyncio.run(run_operator(settings))
    except ConfigException as error:
        print(
            f"dind-operator: no cluster is configured: {error}. Run the operator in a pod, or set KUBECONFIG.",
            file=sys.stderr,
        )
        return 1


def _crds() -> int:
    from dind_operator.crd.definition import crd_yaml  # noqa: PLC0415

    sys.stdout.write(crd_yaml())
    return 0


def _report(options: argparse.Namespace) -> int:
    from dind_operator.report.gather import print_report  # noqa: PLC0415

    return asyncio.run(print_report(options.name, options.namespace, options.lines, options.output, options.node_log))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.cluster VERB`: what the Makefile's targets call.

stdout carries only the answer of a verb (a path, a state); everything else a person reads goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cluster import current, images, lifecycle, machine, node, nodes, status, store, teardown, tools
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError, say
from tests.cluster.vm import lifecycle as vm
from tests.cluster.vm import shell
from tests.cluster.vm.containerd import GuestContainerd


def _up(_: argparse.Namespace) -> int:
    if current.chosen():
        current.announce()
        return 0
    with_vm = nodes.vm_wanted()
    machine.setup(vm=with_vm)
    lifecycle.up(Instance.from_environment(), with_vm=with_vm)
    return 0


def _down(_: argparse.Namespace) -> int:
    teardown.down(_embedded("down"))
    return 0


def _embedded(verb: str) -> Instance:
    if current.chosen():
        raise ClusterError(
            f"`{verb}` works only with the embedded cluster, and CLUSTER=current selects yours. Unset CLUSTER."
        )
    return Instance.from_environment()


def _status(_: argparse.Namespace) -> int:
    whole, text = status.describe(_embedded("status"))
    print(text)
    return 0 if whole else 1


def _reboot(arguments: argparse.Namespace) -> int:
    instance = _embedded("reboot")
    if arguments.on == nodes.VM:
        vm.reboot(instance)
    else:
        lifecycle.reboot(instance)
    return 0


def _wait(arguments: argparse.Namespace) -> int:
    instance = _embedded("wait")
    if arguments.on == nodes.VM:
        vm.wait(instance)
    elif not status.describe(instance)[0]:
        raise ClusterError(
            f"The cluster {instance.name} is not complete. Run `make cluster`, which starts what is missing and waits."
        )
    return 0


def _node(arguments: argparse.Namespace) -> int:
    instance = _embedded("node")
    if arguments.on == nodes.VM:
        command = shell.command(instance, arguments.command, terminal=sys.stdin.isatty())
        return subprocess.run(command, check=False, env=node.server_environment() | terminal_environment()).returncode
    init = node.find_init(instance)
    if init is None:
        raise ClusterError(f"The node of the cluster {instance.name} is not running. Start it with `make cluster`.")
    return subprocess.run(node.inside(init, arguments.command or ["bash"]), check=False).returncode


def _kubeconfig(_: argparse.Namespace) -> int:
    print(current.kubeconfig() if current.chosen() else Instance.from_environment().kubeconfig)
    return 0


def terminal_environment() -> dict[str, str]:
    """What a shell on the other side draws with."""
    return {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}


def _setup(_: argparse.Namespace) -> int:
    machine.setup(vm=nodes.vm_wanted())
    return 0


def _tool(arguments: argparse.Namespace) -> int:
    for name in arguments.names:
        print(tools.tool(name))
    return 0


def _images(arguments: argparse.Namespace) -> int:
    machine.setup()
    if current.chosen():
        for image in images.project_images(arguments.targets):
            say(f"    {image.name}: {image.archive}")
        say("==> CLUSTER=current: push these to a registry your cluster pulls from, and set the chart's image values.")
        return 0
    images.build_and_import(Instance.from_environment(), arguments.targets, wait_for_vm=nodes.vm_wanted())
    return 0


def _import(arguments: argparse.Namespace) -> int:
    instance = _embedded("import")
    store.import_archives(instance, arguments.archives)
    if vm.running(instance) is not None:
        vm.wait(instance)
        store.import_archives(instance, arguments.archives, GuestContainerd(instance))
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.cluster", description="The embedded cluster.")
    verbs = top.add_subparsers(dest="verb", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    def on_node(added: argparse.ArgumentParser) -> None:
        added.add_argument("--on", choices=(nodes.HOST, nodes.VM), default=nodes.HOST, help="the node; host by default")

    verb("setup", _setup, "Installs the Debian packages that are missing.")
    verb("up", _up, "Starts the cluster, or the parts of it that are not running.")
    verb("down", _down, "Stops the cluster and removes all of it.")
    verb("status", _status, "Prints what is running. Fails unless everything is.")
    on_node(verb("reboot", _reboot, "Cuts the power of the node and starts it again. Disk and objects are kept."))
    on_node(verb("wait", _wait, "Waits until the node can run pods. The virtual node takes a minute or two to boot."))
    verb("kubeconfig", _kubeconfig, "Prints the path of the cluster's kubeconfig.")
    project = verb("images", _images, "Builds the project's images and imports those that changed.")
    project.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(images.TARGETS)}; all by default")
    named = verb("tool", _tool, "Prints the paths of tools. Builds those that are not cached.")
    named.add_argument("names", nargs="+", choices=sorted(tools.TOOLS))
    archives = verb("import", _import, "Imports image archives (docker save, OCI) into the nodes.")
    archives.add_argument("archives", nargs="+", type=Path)
    command = verb("node", _node, "Runs a command, by default a shell, in the namespaces of the node.")
    on_node(command)
    command.add_argument("command", nargs=argparse.REMAINDER)
    return top


def main() -> int:
    arguments = parser().parse_args()
    os.environ["PATH"] = f"{machine.programs()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        code: int = arguments.run(arguments)
        return code
    except (ClusterError, ValueError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted. Run the same command again to go on, or `make cluster-down` to remove what was started.")
        return 130


if __name__ == "__main__":
    sys.exit(main())

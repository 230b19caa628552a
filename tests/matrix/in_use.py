"""The versions that a part runs with, from the running programs or from the tables that they are built from."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from importlib.metadata import version

from tests.cluster import node, nodes, readiness, tools
from tests.cluster.instance import Instance
from tests.cluster.tools import TOOLS
from tests.cluster.vm import shell
from tests.matrix.parts import Condition

Versions = dict[str, list[str]]
# How people name the programs of tests/cluster/tools.py.
_NAMES = {"kubenode": "Kubernetes", "helm3": "Helm", "helm4": "Helm", "buildkitd": "BuildKit"}


def versions(instance: Instance, part: Condition) -> Versions:
    """By program. Of a part on a node, after the tests: the node's programs are asked."""
    found = {} if part.node is None else of_node(instance, part.node)
    for name in part.tools:
        add(found, _NAMES.get(name, name), part.kubernetes if name == "kubenode" else TOOLS[name].version)
    for name in part.distributions:
        add(found, "Python", platform.python_version())
        add(found, name.capitalize(), version(name))
    return found


def add(found: Versions, name: str, *values: str) -> None:
    known = found.setdefault(name, [])
    known += [value for value in dict.fromkeys(values) if value not in known]


def of_node(instance: Instance, which: str) -> Versions:
    """What the API server and the kubelet report, and what the node's runc prints."""
    server = json.loads(readiness.kubectl(instance, "version", "--output=json"))["serverVersion"]["gitVersion"]
    name = instance.vm_node_name if which == nodes.VM else instance.node_name
    info = json.loads(readiness.kubectl(instance, "get", "node", name, "--output=json"))["status"]["nodeInfo"]
    return from_reports(server, info, _runc(instance, which))


def _runc(instance: Instance, which: str) -> str:
    if which == nodes.VM:
        return shell.output(instance, ["runc", "--version"])
    init = node.find_init(instance)
    return "" if init is None else node.run(init, [str(tools.tool("runc")), "--version"])


def from_reports(server: str, info: dict[str, str], runc: str) -> Versions:
    """`server` is the API server's gitVersion, `info` a Node's nodeInfo, `runc` what `runc --version` prints."""
    texts = {
        "Kubernetes": [server, info.get("kubeletVersion", "")],
        "containerd": [info.get("containerRuntimeVersion", "")],
        "runc": [runc],
        "Linux": [info.get("kernelVersion", "")],
    }
    found: Versions = {}
    for name, values in texts.items():
        add(found, name, *numbers(values))
    return found


def numbers(texts: Iterable[str]) -> list[str]:
    """The version numbers in texts such as v1.34.4, containerd://1.6.20~ds1 or 6.12.90-amd64: what vendors add is left out."""
    found = [re.search(r"\d+(?:\.\d+)+", text) for text in texts]
    return [match[0] for match in found if match]

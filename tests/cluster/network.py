"""The one link between the machine and the node, and the few iptables rules that let the node's packets out.

The node's own bridge, pods and Kubernetes' rules live in its network namespace and vanish with it. On the machine
there is one link, found by name, and rules found by their comment: nothing else is ever removed.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import node
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord
from tests.cluster.progress import ClusterError

# Ethernet's, for a machine without a default route.
_DEFAULT_MTU = 1500


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def _ip(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(_run("ip", "-json", *arguments) or "[]")  # type: ignore[no-any-return]


def uplink_mtu() -> int:
    """The MTU of the link that leads outside."""
    for route in _ip("-4", "route", "show", "default"):
        for link in _ip("link", "show", "dev", route["dev"]):
            return int(link["mtu"])
    return _DEFAULT_MTU


def link_exists(instance: Instance) -> bool:
    return Path(f"/sys/class/net/{instance.link}").exists()


def link_mtu(instance: Instance) -> int:
    """The MTU of the link between machine and node."""
    return int(Path(f"/sys/class/net/{instance.link}/mtu").read_text())


def check_free(instance: Instance) -> None:
    """Refuses addresses that something else on the machine already uses."""
    ours = [ipaddress.ip_network(n) for n in (instance.link_network, instance.pod_range, instance.service_range)]
    for route in _ip("-4", "route", "show", "table", "all"):
        if route["dst"] == "default" or route.get("dev") in (instance.link, "lo") or route.get("type") == "broadcast":
            continue
        taken = ipaddress.ip_network(route["dst"], strict=False)
        clash = next((network for network in ours if network.overlaps(taken)), None)
        if clash is not None:
            raise ClusterError(
                f"The embedded cluster {instance.name!r} needs {clash}, but this machine already routes {taken} to "
                f"{route.get('dev', '?')}: remove that route, or give the cluster another name with "
                "DIND_CLUSTER_INSTANCE, which moves its addresses."
            )


def connect(instance: Instance, init: ProcessRecord, mtu: int) -> None:
    """Joins the node to the machine, and the machine to the node's pods and services."""
    link, size = instance.link, str(mtu)
    peer = ("peer", "name", "eth0", "mtu", size, "netns", str(init.pid))
    _run("ip", "link", "add", link, "mtu", size, "type", "veth", *peer)
    _run("ip", "address", "add", f"{instance.machine_address}/24", "dev", link)
    _run("ip", "link", "set", link, "up")
    node.run(init, ["ip", "address", "add", f"{instance.node_address}/24", "dev", "eth0"])
    node.run(init, ["ip", "link", "set", "eth0", "up"])
    node.run(init, ["ip", "route", "add", "default", "via", instance.machine_address])
    for network in (instance.pod_range, instance.service_range):
        _run("ip", "route", "replace", network, "via", instance.node_address, "dev", link)


def route_to_vm(instance: Instance) -> None:
    """Sends what is for the virtual node by the node: a narrower route than that of the link it lies in."""
    _run("ip", "route", "replace", instance.vm_link_network, "via", instance.node_address, "dev", instance.link)


def disconnect(instance: Instance) -> None:
    """Removes the link if it is still there; the kernel takes it away with the node, a moment later."""
    if link_exists(instance):
        _run("ip", "link", "delete", instance.link, check=False)


def rules(instance: Instance) -> list[tuple[str, list[str]]]:
    """(table, rule) of all we add to the machine: forwarding to and from the node, and its address hidden outside."""
    mark = ["-m", "comment", "--comment", instance.rule_comment]
    return [
        ("filter", ["FORWARD", "-i", instance.link, *mark, "-j", "ACCEPT"]),
        ("filter", ["FORWARD", "-o", instance.link, *mark, "-j", "ACCEPT"]),
        (
            "nat",
            ["POSTROUTING", "-s", instance.link_network, "!", "-o", instance.link, *mark, "-j", "MASQUERADE"],
        ),
    ]


def add_rules(instance: Instance) -> None:
    remove_rules(instance)
    for table, rule in rules(instance):
        # First in their chains: a machine with a firewall or Docker of its own drops what it does not know.
        _run("iptables", "-w", "-t", table, "-I", *rule)


def our_rules(instance: Instance) -> list[list[str]]:
    """The rules of this cluster that are in force, as arguments for iptables: `-t`, the table, the rule."""
    found = []
    for table in ("filter", "nat"):
        saved = _run("iptables-save", "-t", table)
        found += [["-t", table, *rule] for rule in ours(saved, instance.rule_comment)]
    return found


def remove_rules(instance: Instance) -> None:
    for _, table, *rule in our_rules(instance):
        _run("iptables", "-w", "-t", table, "-D", *rule, check=False)


def ours(saved: str, comment: str) -> list[list[str]]:
    """The rules in iptables-save's text that carry exactly our comment, as arguments for `iptables -D`."""
    found = []
    for line in saved.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["-A"] and "--comment" in words and words[words.index("--comment") + 1] == comment:
            found.append(words[1:])
    return found

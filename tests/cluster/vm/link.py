"""The link between the node and the guest: a tap device among the node's links, which goes when the node does.

On the machine itself there is one more route, by the link to the node, with which it vanishes.
"""

from __future__ import annotations

from tests.cluster import network, node
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord
from tests.cluster.progress import ClusterError

TAP = "vm0"

# kube-proxy's mark on packets that it wants hidden behind the node's address (its masquerade bit, 14).
_TO_BE_HIDDEN = "0x4000/0x4000"


def mtu(instance: Instance) -> int:
    """That of the link between machine and node: nothing on the way out may be narrower."""
    return network.link_mtu(instance)


def connect(instance: Instance, init: ProcessRecord) -> None:
    """Makes the device and the routes by it. May be repeated."""
    links = node.run(init, ["ip", "-brief", "link"])
    if not any(line.split()[0] == TAP for line in links.splitlines()):
        node.run(init, ["ip", "tuntap", "add", TAP, "mode", "tap"])
    node.run(init, ["ip", "address", "replace", f"{instance.vm_gateway}/30", "dev", TAP])
    node.run(init, ["ip", "link", "set", TAP, "mtu", str(mtu(instance)), "up"])
    node.run(init, ["ip", "route", "replace", instance.vm_pod_range, "via", instance.vm_address, "dev", TAP])
    _show_pods_to_each_other(instance, init)
    network.route_to_vm(instance)


def _show_pods_to_each_other(instance: Instance, init: ProcessRecord) -> None:
    """The CNI bridge hides the node's pods from all but each other; the guest's pods are to see them as they are."""
    rule = ["POSTROUTING", "-s", instance.pod_range, "-d", instance.vm_pod_range]
    rule += ["-m", "mark", "!", "--mark", _TO_BE_HIDDEN, "-j", "ACCEPT"]
    iptables = ["iptables", "-w", "-t", "nat"]
    try:
        node.run(init, [*iptables, "-C", *rule])
    except ClusterError:
        # First in its chain: those of the bridge's plugin end the matter.
        node.run(init, [*iptables, "-I", *rule])

"""NetworkPolicies enforced on the node, for the tests that ask for it. The bridge plugin enforces none.

A process of the node judges the first packet of each connection from or to a pod, which iptables hands it in a queue. Off unless
started: environments let in nobody by default, and most tests want to reach them. All of it lives in the node's namespaces and
ends with them. What the node itself sends to its pods is not judged, as the API has it.
"""

from __future__ import annotations

import signal

from tests.cluster import node, tools
from tests.cluster.instance import Instance
from tests.cluster.process import ProcessRecord, wait_until
from tests.cluster.progress import ClusterError

# Any that nobody else uses: the node has queues of its own.
_QUEUE = "100"
_CHAIN = "DIND-POLICIES"
_TABLE = ("iptables", "-w", "-t", "mangle")
# mangle comes after a Service's address was replaced and before the sender's is. Packets between two pods of the bridge pass
# FORWARD, too (bridge-nf-call-iptables); what pods send to the node passes INPUT.
_HOOKS = (("FORWARD",), ("INPUT", "-i", "cni0"))
# To read all policies, pods and namespaces of a small cluster takes a second.
_START_SECONDS = 30


def command(instance: Instance) -> list[str]:
    """The engine's command line, by which it is found again."""
    program = str(tools.tool("policyengine"))
    return [program, f"--kubeconfig={instance.kubeconfig}", f"--node={instance.node_name}", f"--queue={_QUEUE}"]


def start(instance: Instance) -> None:
    """Returns when packets are judged. Raises ClusterError if they are not within half a minute."""
    init = _init(instance)
    node.launch(instance, init, "policyengine", command(instance))
    if not wait_until(lambda: _listens(init), _START_SECONDS):
        last = node.tail(instance.logs / "policyengine.log")
        stop(instance)
        raise ClusterError(f"The policy engine did not start. The last lines of its log:\n{last}")
    _remove_rules(init)
    node.run(init, [*_TABLE, "-N", _CHAIN])
    known = ("-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN")
    node.run(init, [*_TABLE, "-A", _CHAIN, *known])
    # An engine that dies must not take the cluster with it.
    node.run(init, [*_TABLE, "-A", _CHAIN, "-j", "NFQUEUE", "--queue-num", _QUEUE, "--queue-bypass"])
    for hook in _HOOKS:
        node.run(init, [*_TABLE, "-I", *hook, "-j", _CHAIN])


def stop(instance: Instance) -> None:
    """Removes the rules and ends the engine; nothing is judged after it."""
    init = _init(instance)
    _remove_rules(init)
    running = node.find(instance, command(instance))
    if running is not None:
        running.send(signal.SIGTERM)
        wait_until(lambda: node.find(instance, command(instance)) is None, 10)


def _init(instance: Instance) -> ProcessRecord:
    init = node.find_init(instance)
    if init is None:
        raise ClusterError(f"There is no cluster {instance.name}: start one with `make cluster`.")
    return init


def _listens(init: ProcessRecord) -> bool:
    queues = node.run(init, ["cat", "/proc/net/netfilter/nfnetlink_queue"])
    return any(line.split()[:1] == [_QUEUE] for line in queues.splitlines())


def _remove_rules(init: ProcessRecord) -> None:
    saved = node.run(init, ["iptables-save", "-t", "mangle"])
    if f":{_CHAIN} " not in saved:
        return
    for hook in _HOOKS:
        if f"-A {' '.join(hook)} -j {_CHAIN}" in saved:
            node.run(init, [*_TABLE, "-D", *hook, "-j", _CHAIN])
    node.run(init, [*_TABLE, "-F", _CHAIN])
    node.run(init, [*_TABLE, "-X", _CHAIN])

"""Stopping the node cluster, and looking for what is left of one."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import cgroups, kernel, network, node
from tests.cluster.instance import Instance
from tests.cluster.locks import exclusive
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.record import Record, machine_lock, others


def down(instance: Instance) -> None:
    """Stops the cluster and removes all it left, or says what could not be removed."""
    with exclusive(instance.lock_file, f"the cluster {instance.name}"):
        if Record.load(instance.record_file) is None and not leftovers(instance):
            say(f"==> The cluster {instance.name} is not running: nothing to stop")
            return
        with step(f"Stopping the cluster {instance.name}", usual=5):
            tear_down(instance)


def tear_down(instance: Instance) -> None:
    """Removes the cluster, whatever state it is in. The caller holds the lock."""
    node.end(instance)
    cgroups.remove(instance.cgroup)
    network.disconnect(instance)
    network.remove_rules(instance)
    with machine_lock(instance):
        record = Record.load(instance.record_file)
        if record is not None and not others(instance):
            _give_back(record)
        if instance.state.exists():
            shutil.rmtree(instance.state)
    left = leftovers(instance)
    if left:
        raise ClusterError(
            f"The cluster {instance.name} is stopped, but these remain: {', '.join(left)}. "
            "Find the processes that use them, then run `make cluster-down` again."
        )


def _give_back(record: Record) -> None:
    """Undoes what all clusters of this machine share. Not before the last: they have mounts on the folders."""
    kernel.restore(record.settings)
    for folder in record.made_folders:
        _remove_if_empty(Path(folder))


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # gone already, or used by something else by now
        return


def leftovers(instance: Instance) -> list[str]:
    """What of the cluster is on the machine, in words; empty when nothing is."""
    found = [f"process {pid}" for pid in sorted(cgroups.members(instance.cgroup))]
    found += [f"cgroup {group}" for group in cgroups.groups(instance.cgroup)]
    if network.link_exists(instance):
        found.append(f"link {instance.link}")
    found += [f"iptables rule {' '.join(rule)}" for rule in network.our_rules(instance)]
    if instance.state.exists():
        found.append(f"folder {instance.state}")
    return found

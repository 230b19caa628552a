"""Starting the node cluster. Every step looks at what is there first, so any of them may be repeated.

`up` from nothing, after a crash of some or of all processes, and after a stop half-way are the same code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import partial
from pathlib import Path

from tests.cluster import (
    cgroups,
    components,
    images,
    kernel,
    network,
    node,
    own_images,
    readiness,
    record,
    render,
    store,
    teardown,
    tools,
)
from tests.cluster.components import ControlPlaneLayout
from tests.cluster.instance import Instance
from tests.cluster.locks import exclusive
from tests.cluster.process import ProcessRecord
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.record import Record, checkout
from tests.cluster.vm import image as vm_image
from tests.cluster.vm import lifecycle as vm
from tests.cluster.vm import stock

# The longest path a unix socket may have, less the end mark (sun_path in unix(7)) and containerd's suffix `.ttrpc`.
_SOCKET_PATH_LIMIT = 107 - len(".ttrpc")

Servers = dict[str, list[str]]


def layout_of(instance: Instance) -> ControlPlaneLayout:
    return ControlPlaneLayout(
        kubenode=tools.tool("kubenode"),
        folder=instance.state,
        address=instance.node_address,
        service_range=instance.service_range,
        api_service_address=instance.api_service_address,
        pod_range=instance.pod_range,
        context=f"dind-{instance.name}",
    )


def configuration_files(instance: Instance) -> dict[str, str]:
    """The node's configuration files by their path below the state folder."""
    return {
        "containerd.toml": render.containerd(
            address=str(instance.containerd_socket),
            networks=str(instance.state / "cni"),
            shim=str(tools.tool("containerd").with_name("containerd-shim-runc-v2")),
            runc=str(tools.tool("runc")),
            systemd=False,
            restricted=True,
        ),
        "kubelet.json": render.kubelet(instance),
        "proxy.json": render.proxy(instance),
    }


def server_commands(instance: Instance, layout: ControlPlaneLayout) -> Servers:
    """The command line of every server, in the order of starting."""
    state, name = instance.state, instance.node_name
    return {
        "etcd": components.etcd(layout),
        "containerd": [str(tools.tool("containerd")), "--config", str(state / "containerd.toml")],
        "kube-apiserver": components.api_server(layout),
        "kube-controller-manager": components.controller_manager(layout),
        "kube-scheduler": components.scheduler(layout),
        "kubelet": components.kubelet(layout, name, instance.node_address, state / "kubelet.json"),
        "kube-proxy": components.proxy(layout, name, state / "proxy.json"),
    }


def configuration_key(instance: Instance, servers: Servers) -> str:
    """Changes when a running cluster is no longer the one this code would start, CoreDNS apart: it is applied anew."""
    parts = [configuration_files(instance), servers]
    script = Path(node.__file__).with_name("node-init.sh").read_text()
    return hashlib.sha256(json.dumps([parts, script], sort_keys=True).encode()).hexdigest()[:16]


def up(instance: Instance, *, with_vm: bool = False) -> None:
    """Brings the cluster up, whatever state it is in, and returns when pods can run and names resolve.

    The virtual node, if it is wanted or was there before, is started and boots on: `vm.lifecycle.wait` waits for it.
    """
    _check_paths(instance)
    if with_vm:
        vm_image.image()
        stock.disk(images.of_the_guest())
    layout = layout_of(instance)
    own = [
        store.Image(render.PAUSE_IMAGE, own_images.pause()),
        store.Image(own_images.dns_image(), own_images.dns()),
    ]
    servers = server_commands(instance, layout)
    with exclusive(instance.lock_file, f"the cluster {instance.name}"):
        _replace_what_does_not_fit(instance, configuration_key(instance, servers))
        init = node.find_init(instance)
        whole = init is not None and all(node.find(instance, command) for command in servers.values())
        verb = "Checking" if whole else "Starting"
        with step(f"{verb} the cluster {instance.name}", usual=15):
            init = init if init is not None and network.link_exists(instance) else _start_node(instance)
            started = _start_servers(instance, layout, servers, init)
            store.import_images(instance, own)
            readiness.wait_for_node(instance, servers, heartbeat_after=started)
            readiness.deploy_dns(instance, render.dns_objects(instance, own_images.dns_image()))
            if with_vm or vm.present(instance):
                vm.start(instance, layout, init, images.of_the_guest)
    say(f"    kubeconfig: {instance.kubeconfig}")
    if cgroups.version() == 1:
        say(
            "    cgroup version 1, as this machine has it: the kubelet takes it with failCgroupV1: false alone. "
            "NODES=host,vm has a node with version 2"
        )


def _check_paths(instance: Instance) -> None:
    if len(str(instance.containerd_socket)) > _SOCKET_PATH_LIMIT:
        raise ClusterError(
            f"The path {instance.containerd_socket} is too long for a socket "
            f"(at most {_SOCKET_PATH_LIMIT} characters): set XDG_CACHE_HOME to a shorter folder."
        )


def _replace_what_does_not_fit(instance: Instance, configuration: str) -> None:
    """Leaves either a cluster of this checkout and configuration, running or crashed, or nothing but a record."""
    found = Record.load(instance.record_file)
    if found is not None and found.checkout != checkout():
        say(f"==> The cluster {instance.name} was started from another checkout, {found.checkout}: replacing it")
    elif found is not None and found.configuration != configuration:
        say(f"==> The cluster {instance.name} was started with another configuration: replacing it")
    elif found is not None:
        return
    elif teardown.leftovers(instance):
        say(f"==> Removing the remains of a cluster {instance.name} that has no record")
    teardown.tear_down(instance)
    network.check_free(instance)
    _remember_the_machine(instance, configuration)


def _remember_the_machine(instance: Instance, configuration: str) -> None:
    """Records how the machine is before any cluster: what another running cluster recorded, or what there is now."""
    with record.machine_lock(instance):
        before = next(iter(record.others(instance)), None)
        if before is None:
            made = [folder for folder in node.MOUNT_POINTS if not Path(folder).exists()]
            before = Record("", "", made, kernel.read())
        dataclasses.replace(before, checkout=checkout(), configuration=configuration).save(instance)


def _start_node(instance: Instance) -> ProcessRecord:
    """Namespaces, cgroups and network, from whatever an earlier node left."""
    node.end(instance)
    cgroups.remove(instance.cgroup)
    network.disconnect(instance)
    mtu = network.uplink_mtu()
    for folder in (instance.logs, instance.state / "cni", *map(Path, node.MOUNT_POINTS)):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in configuration_files(instance).items():
        (instance.state / name).write_text(text)
    (instance.state / "cni" / "10-bridge.conflist").write_text(render.cni(instance, mtu))
    (instance.state / "resolv.conf").write_text(render.resolv_conf(_nameservers()))
    cgroups.create(instance.cgroup)
    init = node.start_init(instance)
    kernel.allow_forwarding()
    network.add_rules(instance)
    network.connect(instance, init, mtu)
    return init


def _nameservers() -> list[str]:
    # systemd-resolved listens on the loopback only; its second file names the servers behind it.
    files = [Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")]
    found = render.resolvers(file.read_text() for file in files if file.exists())
    if not found:
        say(
            "    /etc/resolv.conf names no server that a pod could reach: names outside of the cluster will not resolve"
        )
    return found


def _start_servers(instance: Instance, layout: ControlPlaneLayout, servers: Servers, init: ProcessRecord) -> float:
    """Starts what is not running. Returns when the kubelet was started, in seconds since 1970, or 0."""
    components.credentials(layout, instance.node_name)
    kubelet_started = 0.0
    for name, command in servers.items():
        if node.launch(instance, init, name, command):
            say(f"    started {name}")
            if name == "kubelet":
                kubelet_started = readiness.now()
        if name == "containerd":
            readiness.wait_for_containerd(instance)
        if name == "kube-apiserver":
            log, died = instance.logs / "kube-apiserver.log", partial(_is_dead, instance, command)
            readiness.wait_for_api(layout.url, layout.pki / "ca.crt", log, died)
    return kubelet_started


def _is_dead(instance: Instance, command: list[str]) -> bool:
    return node.find(instance, command) is None


def reboot(instance: Instance) -> None:
    """The node as after a loss of power: no process, mount or cgroup of it survives, its disk and objects do."""
    if Record.load(instance.record_file) is None:
        raise ClusterError(f"There is no cluster {instance.name} to reboot: start one with `make cluster`.")
    with exclusive(instance.lock_file, f"the cluster {instance.name}"):
        node.end(instance)
    up(instance)

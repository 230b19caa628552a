"""The virtual node is what it is for: a kernel of its own with cgroup version 2, systemd and an enforcing AppArmor.

And it is a node like any other: its pods reach, and are reached by, those of the first node and the machine.
"""

from __future__ import annotations

import urllib.request
from functools import partial

import pytest
from tests.cluster import versions
from tests.cluster.components import NODE_LABEL
from tests.cluster.vm.guest import TAINT
from tests.live import Cluster, Object, eventually
from tests.vm import pods
from tests.vm.view import Vm

# On the worker that has less to do, see `test_each_mode.py`.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("capabilities")]

STAY = "exec sleep 86400"
# The three capabilities that any mode but Privileged asks for; mounting needs the first.
MOUNTING = {"capabilities": {"add": ["SYS_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}


def version(text: str) -> tuple[int, ...]:
    """The first two numbers of a version such as `v2.1.9+ds1` or `6.12.117+deb13-cloud-amd64`."""
    return tuple(int(number) for number in text.strip().lstrip("v").split("+")[0].split(".")[:2])


def test_it_is_ready_chosen_by_a_label_and_kept_free_by_a_taint(vm: Vm, kubectl: Cluster) -> None:
    found = kubectl.existing("node", vm.name)
    assert found["metadata"]["labels"][NODE_LABEL] == "vm"
    assert found["spec"]["taints"] == [TAINT]
    assert found["status"]["nodeInfo"]["containerRuntimeVersion"] == f"containerd://{versions.CONTAINERD}"
    assert found["status"]["nodeInfo"]["kubeletVersion"] == f"v{versions.CHOSEN}"
    other = kubectl.existing("node", vm.instance.node_name)
    assert other["metadata"]["labels"][NODE_LABEL] == "host"
    assert "taints" not in other["spec"]


def test_it_has_a_kernel_of_its_own_with_nothing_but_cgroup_version_2(vm: Vm) -> None:
    assert version(vm.run("uname -r")) >= (6, 12)
    assert vm.run("stat -f -c %T /sys/fs/cgroup") == "cgroup2fs"
    kinds = vm.run("awk '{print $3}' /proc/mounts | sort -u").split()
    assert "cgroup2" in kinds
    assert "cgroup" not in kinds


def test_its_runtime_has_both_handlers(vm: Vm, kubectl: Cluster) -> None:
    assert vm.run("containerd --version").split()[2] == versions.CONTAINERD
    assert vm.run("runc --version | sed -n 's/^runc version //p'") == versions.RUNC
    assert version(vm.run("systemctl --version | sed -n '1s/systemd //p'").split()[0] + ".0") >= (257, 0)
    handlers = {item["name"] for item in kubectl.existing("node", vm.name)["status"]["runtimeHandlers"]}
    assert {"runc", "dind"} <= handlers


@pytest.mark.thorough
def test_apparmor_enforces(vm: Vm, kubectl: Cluster, namespace: str) -> None:
    assert vm.run("cat /sys/module/apparmor/parameters/enabled") == "Y"
    guarded = pods.run(kubectl, pods.pod("guarded", namespace, "vm", STAY, security=MOUNTING))
    confined = vm.run(f"cat /proc/{vm.process(pods.container_id(guarded))}/attr/current")
    assert confined == "cri-containerd.apparmor.d (enforce)"
    assert "cri-containerd.apparmor.d (enforce)" in vm.run("cat /sys/kernel/security/apparmor/profiles")
    free = {**MOUNTING, "appArmorProfile": {"type": "Unconfined"}}
    unguarded = pods.run(kubectl, pods.pod("unguarded", namespace, "vm", STAY, security=free))
    # The same act, with the same rights but for the profile.
    assert "ermission denied" in pods.fails_inside(kubectl, guarded, "mount -t tmpfs none /mnt")
    pods.inside(kubectl, unguarded, "mount -t tmpfs none /mnt")


def test_what_apparmor_denies_is_in_the_nodes_log(vm: Vm) -> None:
    # The runtime's own profile denies in silence.
    profile = "profile probe { file, audit deny /var/probe w, }"
    vm.run(f"echo '{profile}' | apparmor_parser --replace")
    write = "echo x >/var/probe"
    try:
        vm.run(write)
        assert "ermission denied" in vm.fails(f"aa-exec -p probe -- sh -c '{write}'")
        denied = [line for line in vm.run("dmesg").splitlines() if 'profile="probe"' in line and "DENIED" in line]
        assert 'name="/var/probe"' in denied[-1]
    finally:
        vm.run("echo 'profile probe {}' | apparmor_parser --remove; rm -f /var/probe")


def test_the_nodes_pods_the_machine_and_services_reach_each_other(vm: Vm, kubectl: Cluster, namespace: str) -> None:
    serve = "mkdir /www && hostname >/www/name && exec httpd -f -vv -p 80 -h /www"
    names = ("host", "vm")
    found = {node: pods.run(kubectl, pods.pod(f"on-{node}", namespace, node, serve)) for node in names}
    addresses = {node: found[node]["status"]["podIP"] for node in names}
    the_pods_group_is_systemds(vm, found["vm"])
    for node in names:
        kubectl("expose", "pod", f"on-{node}", f"--namespace={namespace}", "--port=80")
    for here in names:
        for there in names:
            for target in (addresses[there], f"on-{there}.{namespace}.svc.cluster.local"):
                look = partial(pods.fetch, kubectl, found[here], f"http://{target}/name")
                assert eventually(look, f"an answer of {target} on {here}", 90) == f"on-{there}"
    # Without NAT in between: who asks is seen as who it is.
    for here, there in (names, names[::-1]):
        assert addresses[here] in kubectl("logs", f"on-{there}", f"--namespace={namespace}")
    cluster_ip = kubectl.existing("service", "on-vm", namespace)["spec"]["clusterIP"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for target in (addresses["vm"], cluster_ip):
        with opener.open(f"http://{target}/name", timeout=20) as answer:
            assert answer.read().strip() == b"on-vm"


def the_pods_group_is_systemds(vm: Vm, found: Object) -> None:
    group = vm.run(f"cat /proc/{vm.process(pods.container_id(found))}/cgroup")
    assert group.startswith("0::/kubepods.slice/")
    unit = group.rpartition("/")[2]
    assert unit.startswith("cri-containerd-")
    assert vm.run(f"systemctl is-active {unit}") == "active"


@pytest.mark.thorough
def test_root_in_a_user_namespace_is_nobody_on_the_node(vm: Vm, kubectl: Cluster, namespace: str) -> None:
    kubectl.apply(
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "dind"}, "handler": "dind"}
    )
    security = {**MOUNTING, "procMount": "Unmasked", "appArmorProfile": {"type": "Unconfined"}}
    own = {"hostUsers": False}
    plain = pods.run(kubectl, pods.pod("plain", namespace, "vm", STAY, security=security, spec=own))
    writable = {**own, "runtimeClassName": "dind"}
    found = pods.run(kubectl, pods.pod("writable", namespace, "vm", STAY, security=security, spec=writable))
    assert pods.inside(kubectl, found, "id -u") == "0"
    process = vm.process(pods.container_id(found))
    uid = int(vm.run(f"stat -c %u /proc/{process}"))
    first, count = (int(word) for word in vm.run("grep ^kubelet: /etc/subuid").split(":")[1:])
    assert first <= uid < first + count
    assert (uid - first) % 65536 == 0
    # Its own cgroup is the only one it sees, and with this handler it may divide it.
    assert pods.inside(kubectl, found, "cat /proc/self/cgroup") == "0::/"
    pods.inside(kubectl, found, "mkdir /sys/fs/cgroup/part")
    assert "ead-only file system" in pods.fails_inside(kubectl, plain, "mkdir /sys/fs/cgroup/part")


@pytest.mark.thorough
def test_a_reboot_is_another_boot_and_pods_come_back(vm: Vm, kubectl: Cluster, namespace: str) -> None:
    pods.run(kubectl, pods.pod("survivor", namespace, "vm", STAY))
    vm.run("echo kept >/var/kept && sync")
    before = kubectl.existing("node", vm.name)["status"]["nodeInfo"]["bootID"]
    assert vm.run("cat /proc/sys/kernel/random/boot_id") == before
    vm.reboot()
    after = kubectl.existing("node", vm.name)["status"]["nodeInfo"]["bootID"]
    assert after not in ("", before)
    assert vm.run("cat /proc/sys/kernel/random/boot_id") == after
    assert vm.run("cat /var/kept") == "kept"
    kubectl.wait_for(
        *("pod", "survivor", namespace),
        lambda found: found and found["status"]["containerStatuses"][0]["restartCount"] == 1 and pods.is_ready(found),
        seconds=pods.START_SECONDS,
        what="started again",
    )

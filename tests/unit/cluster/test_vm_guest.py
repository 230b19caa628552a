"""The files that make a guest a node: what differs from the first node, and what may not."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from pathlib import Path

from tests.cluster import render
from tests.cluster.instance import Instance
from tests.cluster.vm import guest
from tests.cluster.vm.guest import GuestFile

INSTANCE = Instance("life", Path("/cache"))
FILES = guest.system(INSTANCE, 1400, "nameserver 192.0.2.1\n")


def text(name: str) -> str:
    return FILES[name].content.decode()


def test_containerd_has_both_runtimes_and_systemds_cgroups() -> None:
    config = tomllib.loads(guest.containerd())
    assert config["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == render.PAUSE_IMAGE
    runtimes = config["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
    assert {name: r.get("cgroup_writable", False) for name, r in runtimes.items()} == {"runc": False, "dind": True}
    assert all(r["options"]["SystemdCgroup"] is True for r in runtimes.values())


def test_every_program_that_a_file_names_is_handed_in(tmp_path: Path) -> None:
    files = guest.programs(*(tmp_path / name for name in ("kubenode", "containerd", "runc", "pause.tar")))
    named = {
        word
        for file in FILES.values()
        for word in re.findall(r"(?:/usr/local/bin|/opt)/[\w.-]+", file.content.decode())
    }
    assert named == {f"/{name}" for name in files}
    assert {source.parent for source in files.values()} == {tmp_path}


def test_the_kubelet_differs_from_the_first_nodes_where_the_node_does() -> None:
    config, first = json.loads(guest.kubelet(INSTANCE)), json.loads(render.kubelet(INSTANCE))
    assert config["cgroupDriver"] == "systemd"
    assert "cgroupRoot" not in config
    assert config["podCIDR"] == INSTANCE.vm_pod_range
    assert config["registerWithTaints"] == [{"key": "dind.dev/slow", "value": "true", "effect": "NoSchedule"}]
    same = ("authorization", "clusterDNS", "clusterDomain", "evictionHard", "imageGCHighThresholdPercent")
    assert {name: config[name] for name in same} == {name: first[name] for name in same}


def test_no_file_names_a_path_of_the_machine() -> None:
    assert [name for name, file in FILES.items() if b"/cache/" in file.content] == []


def test_pods_keep_their_addresses_towards_other_pods_and_lose_them_outside() -> None:
    bridge = json.loads(text("etc/cni/net.d/10-bridge.conflist"))["plugins"][0]
    assert (bridge["ipMasq"], bridge["mtu"]) == (False, 1400)
    assert bridge["ipam"]["ranges"] == [[{"subnet": INSTANCE.vm_pod_range}]]
    nat = text("etc/systemd/system/pods-nat.service")
    assert f"-s {INSTANCE.vm_pod_range} ! -d {INSTANCE.pod_range} " in nat


def test_the_kubelet_has_ids_for_every_pods_user_namespace() -> None:
    for file in ("etc/subuid", "etc/subgid"):
        user, first, count = text(file).strip().split(":")
        assert user == "kubelet"
        assert int(first) % 65536 == 0
        assert int(first) > 0
        assert int(count) == 65536 * json.loads(guest.kubelet(INSTANCE))["maxPods"]


def test_the_node_is_told_apart_by_a_label_the_kubelet_may_set() -> None:
    unit = text("etc/systemd/system/kubelet.service")
    assert "--node-labels=dind.dev/test-node=vm" in unit
    assert f"--node-ip={INSTANCE.vm_address}" in unit


def test_every_own_service_is_started_and_none_is_masked() -> None:
    wants = "etc/systemd/system/multi-user.target.wants/"
    started = {name.removeprefix(wants) for name in FILES if name.startswith(wants)}
    own = {"containerd.service", "kubelet.service", "kube-proxy.service"}
    assert started == own | {"pods-nat.service", "pause-image.service"}
    masked = {Path(name).name for name, file in FILES.items() if file.link == "/dev/null"}
    assert not masked & (started | {"ssh.service", "apparmor.service"})


def test_a_tar_carries_modes_links_and_root_as_owner(tmp_path: Path) -> None:
    target = tmp_path / "configuration.tar"
    guest.pack(target, {"a/key": GuestFile(b"secret", 0o600), "b": GuestFile(link="/dev/null")})
    assert target.stat().st_mode & 0o077 == 0
    with tarfile.open(target) as archive:
        key, link = archive.getmember("a/key"), archive.getmember("b")
        assert (key.mode, key.uid, key.gid, key.size) == (0o600, 0, 0, 6)
        assert (link.issym(), link.linkname) == (True, "/dev/null")
    assert [file.name for file in tmp_path.iterdir()] == ["configuration.tar"]
    # A disk is read in sectors.
    assert target.stat().st_size % 512 == 0

"""The configuration files of the node's parts."""

from __future__ import annotations

import json
import tomllib

import pytest
from tests.cluster import render
from tests.cluster.instance import Instance

INSTANCE = Instance("life")


def test_containerd_keeps_to_the_cluster_and_to_its_own_programs() -> None:
    text = render.containerd(
        address="/c/sock", networks="/c/cni", shim="/tools/shim", runc="/tools/runc", systemd=False, restricted=True
    )
    config = tomllib.loads(text)
    assert (config["version"], config["grpc"]["address"]) == (3, "/c/sock")
    # It makes this folder; the usual one, in /opt, would be the machine's.
    assert config["plugins"]["io.containerd.internal.v1.opt"]["path"].startswith("/var/lib/containerd/")
    images, runtime = (config["plugins"][f"io.containerd.cri.v1.{name}"] for name in ("images", "runtime"))
    assert images["pinned_images"]["sandbox"] == render.PAUSE_IMAGE
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cni"] == {"bin_dirs": [render.CNI_PROGRAMS], "conf_dir": "/c/cni"}
    assert runtime["containerd"]["runtimes"] == {
        "runc": {
            "runtime_type": "io.containerd.runc.v2",
            "runtime_path": "/tools/shim",
            "options": {"BinaryName": "/tools/runc", "SystemdCgroup": False},
        }
    }


def test_the_kubelet_takes_either_cgroup_version() -> None:
    assert json.loads(render.kubelet(INSTANCE))["failCgroupV1"] is False


def test_pods_stay_below_the_clusters_cgroup() -> None:
    config = json.loads(render.kubelet(INSTANCE))
    assert config["cgroupRoot"] == "/dind-life"
    assert config["cgroupDriver"] == "cgroupfs"
    assert config["clusterDNS"] == [INSTANCE.dns_address]
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_the_bridge_does_not_exceed_the_uplink() -> None:
    plugins = json.loads(render.cni(INSTANCE, 1400))["plugins"]
    assert plugins[0]["mtu"] == 1400
    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": INSTANCE.node_pod_range}]]


def test_the_proxy_leaves_the_machines_connection_table_alone() -> None:
    assert set(json.loads(render.proxy(INSTANCE))["conntrack"].values()) == {0, "0s"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["nameserver 10.0.0.53\nsearch lan\n"], ["10.0.0.53"]),
        (
            ["nameserver 127.0.0.53\noptions edns0\n", "nameserver 192.0.2.1\nnameserver 2001:db8::1\n"],
            ["192.0.2.1", "2001:db8::1"],
        ),
        (["nameserver ::1\nnameserver 9.9.9.9\n", "nameserver 8.8.8.8\n"], ["9.9.9.9"]),
        (["nameserver fe80::1%eth0\n"], ["fe80::1%eth0"]),
        (["# nameserver 1.2.3.4\nnameserver nonsense\nnameserver\n"], []),
        ([], []),
    ],
)
def test_pods_ask_name_servers_beyond_the_loopback(texts: list[str], expected: list[str]) -> None:
    assert render.resolvers(texts) == expected


def test_a_resolv_conf_is_what_is_read_back() -> None:
    assert render.resolvers([render.resolv_conf(["192.0.2.1", "192.0.2.2"])]) == ["192.0.2.1", "192.0.2.2"]


def test_the_name_service_has_the_address_the_kubelet_hands_out() -> None:
    objects = {item["kind"]: item for item in render.dns_objects(INSTANCE, "image:1")}
    assert objects["Service"]["spec"]["clusterIP"] == json.loads(render.kubelet(INSTANCE))["clusterDNS"][0]
    pod = objects["Deployment"]["spec"]["template"]
    assert pod["spec"]["containers"][0]["image"] == "image:1"
    assert objects["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()

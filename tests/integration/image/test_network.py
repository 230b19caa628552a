"""Nested networks under the real wrapper and a real dockerd: names, the packet filter, IPv6.

What is around the pod is made for each test: its loopback, and a second network namespace at the other end of its interface.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster import images, own_images
from tests.integration.image.conftest import Beside, Daemon, StartDaemon, attach, within
from tests.integration.image.resolver import ANSWER
from tests.integration.image.test_iptables import BROKEN, RULES

NFT_RULES = "iptables-nft -t nat -S | grep -c -- '-N DOCKER' || :"
TCP_QUESTION = f"""
import socket, struct, sys
question = b"\\1\\2\\1\\0\\0\\1" + bytes(6) + b"\\6answer\\7example\\0\\0\\1\\0\\1"
with socket.create_connection((sys.argv[1], 53), 5) as s:
    s.sendall(struct.pack(">H", len(question)) + question)
    assert s.recv(1000).endswith(bytes(map(int, {ANSWER!r}.split("."))))
"""


def resolver(beside: Beside, pid: int, address: str) -> None:
    beside(pid, sys.executable, str(Path(__file__).with_name("resolver.py")), address)


def resolves(daemon: Daemon, *options: str) -> bool:
    ask = ["docker", "run", "--rm", *options, own_images.BUSYBOX_IMAGE, "timeout", "8", "nslookup", "answer.example"]
    return ANSWER in daemon.run(*ask, check=False)


def nameserver(address: str) -> str:
    return f"echo nameserver {address} >/etc/resolv.conf"


def test_a_nameserver_on_the_pods_loopback_is_handed_on(
    start_daemon: StartDaemon, beside: Beside, userland: str
) -> None:
    daemon = start_daemon(userland=userland, inside=nameserver("127.0.0.53"))
    daemon.wait_checked()
    assert "nested containers are given 172.17.0.1, where their questions are handed on" in daemon.log.read_text()
    daemon.load(images.nested_busybox_tar())
    # Nobody answers yet, and the forwarder goes on.
    assert not resolves(daemon)
    resolver(beside, daemon.pid, "127.0.0.53")
    daemon.run("docker", "network", "create", "own")
    assert resolves(daemon)
    assert resolves(daemon, "--network=own")
    by_tcp = ["nsenter", f"--net=/proc/{daemon.pid}/ns/net", "--", sys.executable, "-c", TCP_QUESTION, "172.17.0.1"]
    subprocess.run(by_tcp, check=True, timeout=30)
    # The way through the packet filter stays closed: nested containers reach nothing else of the pod's loopback.
    assert daemon.run("cat", "/proc/sys/net/ipv4/conf/docker0/route_localnet") == "0"


def test_without_that_they_have_no_names(start_daemon: StartDaemon, beside: Beside) -> None:
    daemon = start_daemon(inside=nameserver("127.0.0.53"), config={"network": {"decided": ["dns"]}})
    daemon.wait_checked()
    daemon.load(images.nested_busybox_tar())
    resolver(beside, daemon.pid, "127.0.0.53")
    assert not resolves(daemon)


def test_a_link_local_nameserver_is_reached_as_it_stands(start_daemon: StartDaemon, beside: Beside) -> None:
    daemon = start_daemon(inside=nameserver("169.254.20.10"))
    daemon.wait_checked()
    assert "handed on" not in daemon.log.read_text()
    daemon.load(images.nested_busybox_tar())
    node = attach(daemon, beside)
    assert not resolves(daemon)
    # As a cache on each node has it: the pod's traffic for it goes to the node, by the default route.
    within(node, "ip addr add 169.254.20.10/32 dev lo")
    resolver(beside, node, "169.254.20.10")
    assert resolves(daemon)
    daemon.run("docker", "network", "create", "own")
    assert resolves(daemon, "--network=own")


@pytest.mark.parametrize(("backend", "nft", "legacy"), [("Nft", "1", "0"), ("Legacy", "0", "1")])
def test_the_packet_filter_that_is_asked_for(
    start_daemon: StartDaemon, userland: str, backend: str, nft: str, legacy: str
) -> None:
    daemon = start_daemon(userland=userland, config={"network": {"firewallBackend": backend}})
    daemon.wait_ready()
    assert (daemon.run("sh", "-c", NFT_RULES), daemon.run("sh", "-c", RULES)) == (nft, legacy)


def test_a_packet_filter_that_does_not_work_is_refused_by_name(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside=BROKEN, config={"network": {"firewallBackend": "Nft"}})
    assert daemon.wait() == 1
    error = daemon.message()["error"]
    assert (error["check"], error["reason"]) == ("Network", "FirewallUnavailable")
    assert "network.firewallBackend is Nft" in error["message"]
    assert "leave firewallBackend out" in error["message"]
    # Which helps.
    start_daemon(inside=BROKEN).wait_ready()


def test_legacy_is_not_what_is_left_when_the_image_has_none(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside="rm -f /usr/sbin/ip*tables-legacy*", config={"network": {"firewallBackend": "Legacy"}})
    assert daemon.wait() == 1
    error = daemon.message()["error"]
    assert error["reason"] == "FirewallUnavailable"
    assert "the daemon's image has no iptables-legacy in PATH" in error["message"]


@pytest.mark.parametrize("text", ["{}", ' \n{ "debug": true}'])
def test_a_configuration_is_json_however_it_is_written(start_daemon: StartDaemon, userland: str, text: str) -> None:
    daemon = start_daemon(
        "--host=unix:///run/dind/docker.sock", userland=userland, config={"daemonConfig": json.loads(text)}
    )
    daemon.wait_ready()
    written = json.loads(daemon.run("cat", "/run/dind-private/daemon.json"))
    assert written["bip"] == "172.17.0.1/16", "what is chosen here is in it"
    assert written.get("debug") == json.loads(text).get("debug")


def test_the_api_server_may_be_known_by_a_name(start_daemon: StartDaemon) -> None:
    start_daemon(KUBERNETES_SERVICE_HOST="api.cluster.example.com").wait_ready()


def test_ipv6_reaches_outside_through_the_pods_address(
    start_daemon: StartDaemon, beside: Beside, tmp_path: Path
) -> None:
    daemon = start_daemon(config={"network": {"decided": [], "ipv6": "Enabled"}})
    daemon.wait_checked()
    daemon.load(images.nested_busybox_tar())
    node = attach(daemon, beside)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("by version 6")
    beside(node, "sh", "-c", f"echo ready; exec busybox httpd -f -p '[fd00:1::1]:80' -h {tmp_path}/www")
    nested = ["docker", "run", "--rm", own_images.BUSYBOX_IMAGE]
    assert "fd64:696e:6400:" in daemon.run(*nested, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "global")
    # Nobody out there knows the way back to that range: the pod's address stands before it.
    assert daemon.run(*nested, "timeout", "10", "wget", "-q", "-O", "-", "http://[fd00:1::1]/") == "by version 6"


def test_ipv6_where_ip6tables_does_not_work(start_daemon: StartDaemon) -> None:
    broken = "for n in ip6tables ip6tables-nft ip6tables-legacy; do ln -sf /bin/false /usr/sbin/$n; done"
    daemon = start_daemon(inside=broken, config={"network": {"decided": [], "ipv6": "Enabled"}})
    assert daemon.wait() == 1
    assert daemon.message()["error"]["reason"] == "FirewallUnavailable"
    assert "network.ipv6 is Enabled, and ip6tables does not work" in daemon.message()["error"]["message"]


def test_what_dockerd_was_told_by_its_user_is_not_told_again(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--bip=172.29.0.1/24", "--mtu=1300")
    daemon.wait_ready()
    written = json.loads(daemon.run("cat", "/run/dind-private/daemon.json"))
    assert not written.keys() & {"bip", "mtu"}
    found = json.loads(daemon.run("docker", "network", "inspect", "bridge"))[0]
    assert found["IPAM"]["Config"] == [{"Subnet": "172.29.0.0/24", "Gateway": "172.29.0.1"}]
    assert found["Options"]["com.docker.network.driver.mtu"] == "1300"


def test_a_range_in_use_ends_before_dockerd_starts(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        config={"network": {"decided": [], "bridgeAddress": "10.96.0.1/16"}}, KUBERNETES_SERVICE_HOST="10.96.0.1"
    )
    assert daemon.wait() == 1
    assert daemon.message()["error"]["reason"] == "NetworkCollision"
    assert "overlaps the API server's service address 10.96.0.1" in daemon.message()["error"]["message"]
    assert "containerd" not in daemon.log.read_text()
    start_daemon(
        config={"network": {"decided": [], "bridgeAddress": "172.30.0.1/16"}}, KUBERNETES_SERVICE_HOST="10.96.0.1"
    ).wait_ready()

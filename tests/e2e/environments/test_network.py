"""Networks of nested containers, on a real pod network: packets that fit, addresses that are free, names that resolve."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import condition
from tests.node_view import NodeView

MTU = 1400
WIDE = 1500
PORT = 8099
MEBIBYTES = 24
# A download takes a second; one that hangs would take minutes to be given up.
PATIENCE = 15
# The kubelet's container runtime reads it for every pod's network, and again when it is replaced.
FIND_CONFIG = r"""
for p in /proc/[0-9]*; do
  [ "$(cat $p/comm 2>/dev/null)" = containerd ] || continue
  file=$(tr '\0' '\n' <$p/cmdline | grep -A1 -x -e --config | tail -1)
  folder=$(sed -n 's/^ *conf_dir = "\(.*\)"/\1/p' "${file:-/etc/containerd/config.toml}" 2>/dev/null)
  [ -z "$folder" ] || { ls "$folder"/*.conflist; exit; }
done
"""


@dataclass(frozen=True)
class Server:
    """A web server on the node with one large file."""

    node: NodeView
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}:{PORT}/large"


@pytest.fixture(scope="module")
def server(node: NodeView) -> Iterator[Server]:
    address = node.run(
        "ip -4 -o address show scope global | grep -v cni0 | sed -n 's|.*inet \\([0-9.]*\\)/.*|\\1|p' | head -1"
    )
    node.here(
        f"mkdir -p /tmp/www; dd if=/dev/urandom of=/tmp/www/large bs=1M count={MEBIBYTES} 2>/dev/null; "
        f"httpd -p {PORT} -h /tmp/www"
    )
    yield Server(node, address)
    node.here("pkill -x httpd || killall httpd; rm -rf /tmp/www")


@pytest.fixture
def narrow(node: NodeView) -> Iterator[None]:
    """Pods made now get an interface of 1400 bytes, on both ends; what lies between them and the node stays as it is."""
    file = node.run(FIND_CONFIG)
    assert file, "the node's container runtime names no folder for the configuration of pod networks"
    before = node.run(f"cat {file}")
    assert '"mtu"' in before
    node.run(f'sed -i \'s/"mtu": *[0-9]*/"mtu": {MTU}/\' {file}; sleep 2')
    yield
    text = before.replace("'", "'\\''")
    node.run(f"printf '%s\\n' '{text}' >{file}.new && mv {file}.new {file}; sleep 2")


@pytest.fixture
def wide_wire(node: NodeView, bench: Environment) -> Iterator[str]:
    """Makes the node's side as wide as ever: a bridge takes the smallest size of what is attached to it, unless it is told."""
    address = (bench.pod() or {})["status"]["podIP"]
    device = node.run(f"ip -o route get {address} | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'")
    before = node.run(f"cat /sys/class/net/{device}/mtu")
    yield f"ip link set dev {device} mtu {WIDE}"
    node.run(f"ip link set dev {device} mtu {before}")


def mtu_of(environment: Environment, *options: str) -> str:
    return environment.docker("run", "--rm", *options, BUSYBOX_IMAGE, "cat", "/sys/class/net/eth0/mtu")


def download(environment: Environment, url: str, *options: str) -> int:
    """How many bytes of the large file a nested container gets before its patience ends."""
    script = f"timeout {PATIENCE} wget -q -O - {url} | wc -c"
    return int(environment.docker("run", "--rm", *options, BUSYBOX_IMAGE, "sh", "-c", script))


@pytest.mark.serial  # pods that others make meanwhile would be narrow, too
def test_a_large_download_over_an_interface_of_1400_bytes(
    environments: Environments, node: NodeView, narrow: None, wide_wire: str, server: Server
) -> None:
    environment = environments("narrow").apply().ready()
    assert environment.run("cat", "/sys/class/net/eth0/mtu") == str(MTU)
    assert f"MTU {MTU} (from eth0)." in environment.condition("NetworkReady")["message"]
    load_images(environment)
    environment.docker("network", "create", "own")
    environment.docker("network", "create", f"--opt=com.docker.network.driver.mtu={WIDE}", "wide")
    node.run(wide_wire)
    size = MEBIBYTES << 20
    assert mtu_of(environment) == mtu_of(environment, "--network=own") == str(MTU)
    assert download(environment, server.url) == size
    assert download(environment, server.url, "--network=own") == size
    # With what Docker would have taken, the same download hangs: packets that large are lost, and nobody is told.
    assert mtu_of(environment, "--network=wide") == str(WIDE)
    assert download(environment, server.url, "--network=wide") < size


def test_an_mtu_that_does_not_fit_is_told(environments: Environments, narrow: None) -> None:
    environment = environments("wide").apply({"network": {"mtu": WIDE}}).ready()
    told = environment.condition("NetworkReady")
    assert (told["status"], told["reason"]) == ("False", "MtuTooLarge")
    assert "the MTU of the pod's interface eth0 is 1400" in told["message"]
    environment.patch({"network": {"mtu": MTU - 100}})
    environment.wait(
        lambda found: (
            condition(found, "NetworkReady").get("status") == "True"
            and condition(found, "Ready").get("status") == "True"
        ),
        "an MTU that fits",
    )
    load_images(environment)
    assert mtu_of(environment) == str(MTU - 100)


def test_two_containers_of_a_network_talk_by_name(bench: Environment) -> None:
    bench.docker("network", "create", "talk")
    try:
        web = "echo by name >/tmp/index.html; exec httpd -f -p 80 -h /tmp"
        bench.docker("run", "--detach", "--rm", "--network=talk", "--name=web", BUSYBOX_IMAGE, "sh", "-c", web)
        ask = ("run", "--rm", BUSYBOX_IMAGE, "wget", "-q", "-O", "-", "http://web/")
        within = ("docker", *ask[:2], "--network=talk", *ask[2:])
        eventually(lambda: bench.attempt(*within).stdout.strip() == "by name", "an answer by name", 20)
        # Elsewhere the name is not known.
        assert bench.attempt("docker", *ask).returncode != 0
    finally:
        bench.attempt("docker", "rm", "--force", "web")
        bench.docker("network", "rm", "talk")


def test_a_published_port_is_reached_at_the_pods_address(bench: Environment, node: NodeView) -> None:
    web = "echo published >/tmp/index.html; exec httpd -f -p 80 -h /tmp"
    assert node.fetch(bench, 8081) == ""
    bench.docker("run", "--detach", "--rm", "--publish=8081:80", "--name=published", BUSYBOX_IMAGE, "sh", "-c", web)
    try:
        assert eventually(lambda: node.fetch(bench, 8081), "the published port", 20) == "published"
    finally:
        bench.docker("rm", "--force", "published")


def test_names_of_the_cluster_resolve_in_nested_containers(bench: Environment) -> None:
    bench.docker("network", "create", "names")
    try:
        for options in ([], ["--network=names"]):
            ask = ("run", "--rm", *options, BUSYBOX_IMAGE, "nslookup")
            assert "kubernetes.default.svc.cluster.local" in bench.docker(*ask, "kubernetes.default.svc.cluster.local")
            assert bench.attempt("docker", *ask, "nobody.default.svc.cluster.local").returncode != 0
    finally:
        bench.docker("network", "rm", "names")


def test_addresses_are_clear_of_pods_services_and_the_node(bench: Environment, node: NodeView) -> None:
    bench.docker("network", "create", "clear")
    try:
        names = bench.docker("network", "ls", "--quiet", "--filter=driver=bridge").split()
        found = json.loads(bench.docker("network", "inspect", *names))
    finally:
        bench.docker("network", "rm", "clear")
    ranges = [ipaddress.ip_network(entry["Subnet"]) for one in found for entry in one["IPAM"]["Config"]]
    assert len(ranges) >= 2
    status = (bench.pod() or {})["status"]
    service = bench.run("printenv", "KUBERNETES_SERVICE_HOST")
    nameserver = bench.run("sed", "-n", "s/^nameserver //p", "/etc/resolv.conf").split()
    routes = [line.split()[0] for line in node.run("ip -4 route").splitlines() if line[0].isdigit()]
    taken = [status["podIP"], status["hostIP"], service, *nameserver, *routes]
    assert [(one, other) for one in ranges for other in taken if one.overlaps(ipaddress.ip_network(other))] == []
    told = bench.condition("NetworkReady")
    assert (told["status"], told["reason"]) == ("True", "NetworkReady")
    assert str(ranges[0]).rpartition(".")[0] in told["message"]


def test_a_range_that_is_in_use_is_refused_before_the_daemon_starts(
    bench: Environment, environments: Environments
) -> None:
    address = (bench.pod() or {})["status"]["podIP"]
    taken = f"{ipaddress.ip_network(f'{address}/24', strict=False).network_address + 1}/24"
    environment = environments("collision").apply({"network": {"bridgeAddress": taken}})
    message = environment.wait_reason("NetworkCollision")["message"]
    assert f"spec.network.bridgeAddress {taken} overlaps" in message
    assert "Leave the field out and a free range is chosen" in message
    assert environment.condition("NetworkReady")["reason"] == "NetworkCollision"
    assert environment.daemon_status().get("started") is not True
    # The same with the remedy.
    environment.patch({"network": {"bridgeAddress": None}})
    environment.ready()

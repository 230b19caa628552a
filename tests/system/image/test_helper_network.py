"""What the helper chooses for nested networks, in network namespaces made for each case: real interfaces, routes, addresses."""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import told

# A pod's network: an interface of 1400 bytes, a default route by it.
POD = (
    "ip link add eth0 mtu 1400 type veth peer name far",
    "ip addr add 10.244.3.4/24 dev eth0",
    "ip link set far up",
    "ip link set eth0 up",
    "ip route add default via 10.244.3.1",
)
NAMESERVER = "nameserver 10.96.0.10"


@dataclass
class Answer:
    """What it printed, in its parts."""

    status: int
    text: str
    errors: str

    @property
    def report(self) -> Any:
        return json.loads(self.text)["report"]

    @property
    def config(self) -> Any:
        return json.loads(self.text)["daemonConfig"]

    @property
    def forward(self) -> str:
        found: str = json.loads(self.text)["forward"]
        return found

    @property
    def ranges(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        found = [self.config["bip"], *(pool["base"] for pool in self.config["default-address-pools"])]
        return [ipaddress.ip_network(text, strict=False) for text in found]


MEMBERS = {
    "mtu": "mtu",
    "bip": "bridgeAddress",
    "config-bip": "configBridgeAddress",
    "ipv6": "ipv6",
    "pool": "addressPools",
    "config-pool": "configAddressPools",
    "own": "decided",
    "avoid": "avoid",
    "cluster": "clusterCidrs",
}
VALUES: dict[str, Any] = {"on": "Enabled", "off": "Disabled"}


def options(words: tuple[str, ...]) -> list[str]:
    """What the entrypoint knows of dockerd and the packet filter."""
    known = {"docker": lambda value: ["-docker", value], "ip6tables": lambda _: ["-ip6tables"]}
    pairs = [word.partition("=") for word in words]
    return [each for name, _, value in pairs if name in known for each in known[name](value)]


def variables(words: tuple[str, ...]) -> dict[str, str]:
    """The configuration of these words, and the addresses that the kubelet tells."""
    found: dict[str, Any] = {"decided": []}
    told_otherwise = {"node": "DIND_NODE_ADDRESS", "service": "KUBERNETES_SERVICE_HOST"}
    environment = {}
    for name, _, value in (word.partition("=") for word in words):
        if name in told_otherwise:
            environment[told_otherwise[name]] = value
        elif name in ("pool", "config-pool", "own", "avoid", "cluster"):
            found.setdefault(MEMBERS[name], []).append(value)
        elif name in MEMBERS:
            found[MEMBERS[name]] = int(value) if name == "mtu" else VALUES.get(value, value)
    return environment | told(network=found)


@pytest.fixture
def network(helper: Path, tmp_path: Path) -> Any:
    def run(*words: str, pod: tuple[str, ...] = POD, resolv: str = NAMESERVER) -> Answer:
        (tmp_path / "resolv.conf").write_text(resolv + "\n")
        script = [
            "set -e; ip link set lo up",
            f"mount --bind {tmp_path}/resolv.conf $(readlink -f /etc/resolv.conf)",
            *pod,
            f"exec {shlex.join([str(helper), 'network', *options(words)])}",
        ]
        command = ["unshare", "--net", "--mount", "sh", "-c", "\n".join(script)]
        environment = {"PATH": os.environ["PATH"], **variables(words)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


def test_in_a_pod_as_most_are(network: Any) -> None:
    answer = network("docker=26")
    assert answer.status == 0, answer.errors
    assert answer.config == {
        "mtu": 1400,
        "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}},
        # What people know of Docker.
        "bip": "172.17.0.1/16",
        "default-address-pools": [{"base": f"172.{n}.0.0/16", "size": 20} for n in (18, 19, 20, 21)],
    }
    assert answer.report == {
        "interface": "eth0",
        "interfaceMtu": 1400,
        "mtu": 1400,
        "bridge": "172.17.0.1/16",
        "pools": [f"172.{n}.0.0/16" for n in (18, 19, 20, 21)],
        "ipv6": False,
        "forwarder": False,
    }
    assert answer.forward == ""


def test_docker_before_24_has_no_option_for_every_network(network: Any) -> None:
    assert "default-network-opts" in network("docker=24").config
    for words in (("docker=23",), ("docker=20",), ()):
        answer = network(*words)
        assert "default-network-opts" not in answer.config
        assert answer.config["mtu"] == 1400


@pytest.mark.parametrize(
    ("pod", "mtu"),
    [
        # Of several default routes the one that is taken; a route may be narrower than its interface, never wider.
        ((*POD, "ip route replace default via 10.244.3.1 mtu 1350"), 1350),
        ((*POD, "ip route replace default via 10.244.3.1 mtu 9000"), 1400),
        (
            (
                *POD,
                "ip link set far mtu 1300",
                "ip addr add 10.9.0.1/24 dev far",
                "ip route add default via 10.9.0.2 metric 50",
            ),
            1400,
        ),
        (
            (
                *POD[:-1],
                "ip link set far mtu 1300",
                "ip addr add 10.9.0.1/24 dev far",
                "ip route add default via 10.244.3.1 metric 50",
                "ip route add default via 10.9.0.2 metric 10",
            ),
            1300,
        ),
        ((*POD[:-1], "ip addr add fd00:1::2/64 dev eth0 nodad", "ip -6 route add default via fd00:1::1"), 1400),
        ((*POD[:-1], "ip route add default nexthop via 10.244.3.1 nexthop via 10.244.3.2"), 1400),
    ],
)
def test_the_mtu_is_that_of_the_way_outside(network: Any, pod: tuple[str, ...], mtu: int) -> None:
    assert network(pod=pod).config["mtu"] == mtu


def test_without_a_way_outside_no_mtu_is_chosen(network: Any) -> None:
    answer = network("docker=26", pod=())
    assert answer.status == 0
    assert answer.config.keys() == {"bip", "default-address-pools"}
    assert (answer.report["interface"], answer.report["mtu"]) == ("", 0)


@pytest.mark.parametrize(
    ("words", "pod", "resolv"),
    [
        # One address of the cluster in Docker's usual range, wherever it is known from.
        (["node=172.31.4.5"], POD, NAMESERVER),
        (["service=172.20.0.1"], POD, NAMESERVER),
        ([], POD, "nameserver 172.20.0.10"),
        ([], (*POD, "ip route add 172.16.0.0/12 via 10.244.3.9"), NAMESERVER),
        ([], (*POD, "ip addr add 172.17.9.9/32 dev eth0"), NAMESERVER),
        (["avoid=172.16.0.0/12"], POD, NAMESERVER),
        (["cluster=172.16.0.0/12"], POD, NAMESERVER),
        (["avoid=10.0.0.0/8", "avoid=172.16.0.0/12", "avoid=192.168.0.0/16"], POD, NAMESERVER),
        # In the way of every private range, so that it goes between them.
        (["node=172.31.4.5", "service=192.168.0.1"], POD, NAMESERVER),
        (["avoid=10.0.0.0/8", "avoid=172.16.0.0/12", "node=192.168.1.7"], POD, NAMESERVER),
    ],
)
def test_ranges_are_clear_of_what_is_known(network: Any, words: list[str], pod: tuple[str, ...], resolv: str) -> None:
    answer = network(*words, pod=pod, resolv=resolv)
    assert answer.status == 0, answer.text
    taken = [word.partition("=")[2] for word in words] + [resolv.split()[1], "10.244.3.0/24"]
    taken += [word for line in pod[5:] for word in line.split() if "/" in word]
    ranges = answer.ranges
    assert len(ranges) >= 2
    every = [*ranges, *(ipaddress.ip_network(text, strict=False) for text in taken)]
    for one in ranges:
        assert [other for other in every if other is not one and one.overlaps(other)] == []
        assert one.is_private or one.subnet_of(ipaddress.ip_network("100.64.0.0/10"))


def test_a_known_address_keeps_the_rest_of_its_range_clear(network: Any) -> None:
    # An address in 172.16/12 says that a range is there, and not how far it goes; a range that is named says both.
    assert str(network("service=172.30.0.1").ranges[0]).startswith("192.168.")
    assert str(network("cluster=172.30.0.0/16").ranges[0]) == "172.17.0.0/16"


def test_a_bridge_that_moves_does_not_come_to_lie_on_a_network_of_before(network: Any) -> None:
    """A kept volume may have networks of any pool; dockerd makes them before its bridge, and does not start if they overlap."""
    before = network("docker=26").config["default-address-pools"]
    moved = network("docker=26", "avoid=172.17.0.0/16").config
    assert moved["default-address-pools"] == before
    assert moved["bip"] == "172.22.0.1/16"


@pytest.mark.parametrize("word", ["service=api.cluster.example.com", "node=worker-1"])
def test_a_hint_that_is_no_address_says_nothing(network: Any, word: str) -> None:
    assert network(word).ranges == network().ranges


def test_nothing_left(network: Any) -> None:
    named = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"]
    answer = network(*(f"avoid={text}" for text in named))
    assert answer.status == 1
    assert "No private range is left" in answer.errors
    assert "Name less in spec.network.avoid" in answer.errors
    assert network(*(f"avoid={text}" for text in named[:-1])).status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["bip=10.244.0.1/16"],
            "spec.network.bridgeAddress 10.244.0.1/16 overlaps the pod's address 10.244.3.4/24 (eth0)",
        ),
        (["config-bip=10.244.3.1/24"], "spec.daemon.config.bip 10.244.3.1/24 overlaps the pod's address"),
        (["pool=10.96.0.0/12"], "spec.network.addressPools 10.96.0.0/12 overlaps the pod's nameserver 10.96.0.10"),
        (["pool=172.30.0.0/16", "pool=10.64.0.0/10"], "spec.network.addressPools 10.64.0.0/10 overlaps"),
        (["config-pool=10.0.0.0/8"], "spec.daemon.config.default-address-pools 10.0.0.0/8 overlaps"),
        (["bip=172.30.0.1/16", "service=172.30.0.1"], "overlaps the API server's service address 172.30.0.1"),
        (["bip=172.30.0.1/16", "node=172.30.9.9"], "overlaps the node's address 172.30.9.9"),
        (["bip=172.30.0.1/16", "cluster=172.16.0.0/12"], "overlaps the installation's clusterCIDRs' 172.16.0.0/12"),
        (["bip=172.30.0.1/16", "avoid=172.30.128.0/17"], "overlaps network.avoid's 172.30.128.0/17"),
    ],
)
def test_what_was_chosen_and_collides_is_refused(network: Any, words: list[str], said: str) -> None:
    answer = network(*words)
    assert answer.status == 1
    assert said in answer.errors
    assert "Leave the field out and a free range is chosen, or choose one yourself, such as " in answer.errors
    # What it proposes is free.
    proposed = answer.errors.rpartition("such as ")[2].rstrip(".\n")
    field = words[0].partition("=")[0]
    rest = [word for word in words if not word.startswith(("bip=", "pool=", "config-"))]
    assert network(f"{field}={proposed}", *rest).status == 0


def test_what_was_chosen_is_kept_clear_of_and_not_chosen_again(network: Any) -> None:
    answer = network("bip=172.18.0.1/16", "docker=26")
    assert "bip" not in answer.config
    assert answer.report["bridge"] == "172.18.0.1/16"
    bases = [pool["base"] for pool in answer.config["default-address-pools"]]
    assert bases == [f"172.{n}.0.0/16" for n in (19, 20, 21, 22)]
    answer = network("pool=172.17.0.0/16", "mtu=1300", "docker=26")
    assert "default-address-pools" not in answer.config
    assert answer.config["bip"] == "172.22.0.1/16"
    assert (answer.report["pools"], answer.report["mtu"]) == (["172.17.0.0/16"], 1300)
    # The key is in daemon.json already; the option for every network cannot be without knowing the release.
    assert "mtu" not in answer.config
    assert answer.config["default-network-opts"]["bridge"] == {"com.docker.network.driver.mtu": "1300"}


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("mtu", {"mtu", "default-network-opts"}),
        ("bip", {"bip"}),
        ("pools", {"default-address-pools"}),
        ("opts", {"default-network-opts"}),
    ],
)
def test_what_is_the_users_own_is_not_chosen(network: Any, word: str, keys: set[str]) -> None:
    assert network("docker=26").config.keys() - network("docker=26", f"own={word}").config.keys() == keys


def test_bridges_of_an_earlier_daemon_do_not_count(network: Any) -> None:
    earlier = ("ip link add docker0 type bridge", "ip addr add 172.17.0.1/16 dev docker0", "ip link set docker0 up")
    assert network(pod=(*POD, *earlier)).config["bip"] == "172.17.0.1/16"
    # The same address on an interface that no daemon made does.
    other = ("ip addr add 172.17.0.1/16 dev far",)
    assert network(pod=(*POD, *other)).config["bip"] != "172.17.0.1/16"


@pytest.mark.parametrize(
    ("resolv", "forward"),
    [
        ("nameserver 127.0.0.53\nsearch a.example", "172.17.0.1"),
        ("nameserver ::1", "172.17.0.1"),
        ("nameserver fe80::1%eth0", "172.17.0.1"),
        # Link-local of version 4 is forwarded like any other; one that can be reached is enough.
        ("nameserver 169.254.20.10", ""),
        ("nameserver 127.0.0.53\nnameserver 10.96.0.10", ""),
        ("search a.example", ""),
    ],
)
def test_nameservers_out_of_reach_are_handed_on(network: Any, resolv: str, forward: str) -> None:
    answer = network(resolv=resolv)
    assert answer.forward == forward
    assert answer.config.get("dns") == ([forward] if forward else None)
    assert answer.report["forwarder"] is bool(forward)
    # Whoever names nameservers gets these.
    assert network("own=dns", resolv=resolv).forward == ""
    # Without a bridge of a known address there is no place for it.
    assert network("own=bip", resolv=resolv).forward == ""


V6 = (*POD, "ip addr add fd00:1::2/64 dev eth0 nodad")


@pytest.mark.parametrize(
    ("words", "pod", "expected"),
    [
        (["docker=27", "ip6tables=1"], V6, True),
        (["docker=27"], V6, False),
        (["docker=26", "ip6tables=1"], V6, False),
        (["docker=27", "ip6tables=1"], POD, False),
        (["docker=27", "ip6tables=1", "ipv6=off"], V6, False),
        (["docker=27", "ip6tables=1", "own=ipv6"], V6, False),
        (["docker=26", "ip6tables=1", "ipv6=on"], POD, True),
        # dockerd refuses what is both a flag of the user's and in its file.
        (["docker=26", "ip6tables=1", "ipv6=on", "own=experimental"], POD, True),
        # Another node's reports come without a release: nothing is decided.
        (["ip6tables=1", "ipv6=on"], POD, False),
    ],
)
def test_ipv6(network: Any, words: list[str], pod: tuple[str, ...], expected: bool) -> None:
    config = network(*words, pod=pod).config
    assert ("ipv6" in config) == expected
    if expected:
        old = "docker=26" in words
        experimental = True if old and "own=experimental" not in words else None
        assert (config["ipv6"], config["ip6tables"], config.get("experimental")) == (True, True, experimental)
        assert config["fixed-cidr-v6"] == "fd64:696e:6400::/64"
        every = config["default-network-opts"]["bridge"].get("com.docker.network.enable_ipv6")
        assert every == (None if old else "true")


def test_ipv6_is_clear_of_what_is_around(network: Any) -> None:
    inner = ("docker=27", "ip6tables=1")
    outer = (*POD, "ip addr add fd64:696e:6400::2/64 dev eth0 nodad")
    assert network(*inner, pod=outer).config["fixed-cidr-v6"] == "fd64:696e:6401::/64"
    avoided = network(*inner, "avoid=fd64:696e:6400::/47", pod=V6)
    assert avoided.config["fixed-cidr-v6"] == "fd64:696e:6402::/64"


@pytest.mark.parametrize("word", ["bip=what", "pool=10.0.0.0/99", "avoid=::/x", "cluster=10.0.0.256"])
def test_what_is_no_range_is_refused(network: Any, word: str) -> None:
    answer = network(word)
    assert answer.status == 1
    assert word.partition("=")[2] in answer.errors


@pytest.mark.parametrize("arguments", [["-docker", "new"], ["more"], ["-what"]])
def test_anything_else_is_a_usage_error(helper: Path, arguments: list[str]) -> None:
    done = subprocess.run([helper, "network", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")

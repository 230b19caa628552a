"""Names and addresses of an instance: stable for the default one, apart for all others."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import pytest
from tests.cluster.instance import Instance, cache_root

NAMES = ["main", "life", "e2e", "a", "zz9", "bench"]


def networks(instance: Instance) -> list[str]:
    return [instance.link_network, instance.pod_range, instance.service_range]


def test_the_default_instance_has_the_usual_service_addresses() -> None:
    instance = Instance()
    assert (instance.service_range, instance.api_service_address) == ("10.96.0.0/16", "10.96.0.1")
    assert instance.dns_address == "10.96.0.10"


def test_no_two_ranges_of_any_slot_overlap() -> None:
    every = {}
    for name in (f"i{number}" for number in range(2000)):
        every.setdefault(Instance(name).slot, Instance(name))
    every[0] = Instance()
    assert len(every) > 200, "the names did not reach most slots"
    taken = sorted((ip_network(n) for i in every.values() for n in networks(i)), key=lambda n: n.network_address)
    assert not [(a, b) for a, b in pairwise(taken) if a.overlaps(b)]


@pytest.mark.parametrize("name", NAMES)
def test_the_addresses_lie_in_their_ranges(name: str) -> None:
    instance = Instance(name)
    link, services = ip_network(instance.link_network), ip_network(instance.service_range)
    assert ip_network(instance.machine_address).subnet_of(link)
    assert ip_network(instance.node_address).subnet_of(link)
    assert ip_network(instance.api_service_address).subnet_of(services)
    assert ip_network(instance.dns_address).subnet_of(services)
    for pods in (instance.node_pod_range, instance.vm_pod_range):
        assert ip_network(pods).subnet_of(ip_network(instance.pod_range))


@pytest.mark.parametrize("name", NAMES)
def test_the_virtual_node_has_a_piece_of_the_links_network_and_pods_of_its_own(name: str) -> None:
    instance = Instance(name)
    link = ip_network(instance.vm_link_network)
    assert link.subnet_of(ip_network(instance.link_network))
    assert [str(address) for address in link.hosts()] == [instance.vm_gateway, instance.vm_address]
    for other in (instance.machine_address, instance.node_address):
        assert not ip_network(other).subnet_of(link)
    assert not ip_network(instance.vm_pod_range).overlaps(ip_network(instance.node_pod_range))


def test_the_longest_name_still_fits_a_link() -> None:
    # IFNAMSIZ is 16, one of it the end mark.
    assert len(Instance("a123456789").link) == 15


@pytest.mark.parametrize("name", ["", "A", "9a", "a-b", "../up", "a1234567890", "ä"])
def test_a_name_that_would_not_fit_everywhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="DIND_CLUSTER_INSTANCE"):
        Instance(name)


def test_the_environment_chooses_the_instance_and_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIND_CLUSTER_INSTANCE", "other")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert Instance.from_environment().state == Path("/elsewhere/dind-operator/cluster/other")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_root() == Path("/home/someone/.cache/dind-operator")


def test_the_lock_is_outside_of_what_stopping_removes() -> None:
    instance = Instance()
    assert not instance.lock_file.is_relative_to(instance.state)

"""The nested networks: keys of daemon.json from `spec.network`, and variables for the scripts in image/.

The scripts choose in the pod what the spec omits, because only the pod knows its addresses and routes. Without settings, the only
variable is the address of the node.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, DNSPolicy, FirewallBackend, IPv6
from dind_operator.dockerd.flags import decided
from dind_operator.features.network import proxy
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart

NETWORK_VARIABLE = "DIND_NETWORK"
"""Arguments of `dind-node network`, separated by spaces; no argument contains a space."""
FIREWALL_VARIABLE = "DIND_FIREWALL_BACKEND"
NODE_VARIABLE = "DIND_NODE_ADDRESS"
MAX_POOLS = 16
"""The number of pools that the helper checks; dockerd checks the others in daemon.json."""


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """Keys of daemon.json, variables with which the init container chooses networks, and those of the proxy.

    Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon.
    """
    spec = environment.spec
    # The pod has no permission to read the Node object.
    node: dict[str, str | dict[str, Any]] = {NODE_VARIABLE: {"fieldRef": {"fieldPath": "status.hostIP"}}}
    proxies = proxy.variables(environment, settings)
    return PodPart(
        pod_fields=pod_fields(spec),
        variables={**variables(spec, settings), **node, **proxies, **proxy.wrapper_variables(spec, settings)},
        workload_variables=proxies,
        daemon_json=daemon_settings(spec),
    )


def pod_fields(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """How the pod resolves names. Nothing for defaults, so that such pods remain unchanged."""
    network = spec.network
    found: dict[str, Any] = {}
    if network.host_aliases:
        found["hostAliases"] = [alias.to_dict() for alias in network.host_aliases]
    if network.dns_policy is not DNSPolicy.CLUSTER_FIRST:
        found["dnsPolicy"] = network.dns_policy.value
    if network.dns_config is not None and (config := network.dns_config.to_dict()):
        found["dnsConfig"] = config
    return found


def daemon_settings(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """Keys of daemon.json for the fields of `spec.network`."""
    network = spec.network
    found: dict[str, Any] = {}
    if network.mtu is not None:
        found["mtu"] = network.mtu
    if network.bridge_address is not None:
        found["bip"] = network.bridge_address
    if network.address_pools is not None:
        found["default-address-pools"] = [{"base": pool.base, "size": pool.size} for pool in network.address_pools]
    dns = network.dns
    if dns is not None and dns.nameservers:
        found["dns"] = dns.nameservers
    if dns is not None and dns.searches:
        found["dns-search"] = dns.searches
    if dns is not None and dns.options:
        found["dns-opts"] = [f"{one.name}:{one.value}" if one.value else one.name for one in dns.options]
    return found


def variables(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, str]:
    """Variables of the scripts by name."""
    found = {}
    words = [*_chosen(spec), *_ranges(spec, settings)]
    if words:
        found[NETWORK_VARIABLE] = " ".join(words)
    if spec.network.firewall_backend is not FirewallBackend.AUTO:
        found[FIREWALL_VARIABLE] = spec.network.firewall_backend.value
    return found


def _chosen(spec: DindEnvironmentSpec) -> Iterator[str]:
    network, config = spec.network, spec.daemon.config
    yield from (f"own={word}" for word in decided(config, spec.daemon.args))
    if network.mtu is not None:
        yield f"mtu={network.mtu}"
    if network.bridge_address is not None:
        yield f"bip={network.bridge_address}"
    elif bridge := _range(_value(config, "bip")):
        yield f"config-bip={bridge}"
    for pool in network.address_pools or ():
        yield f"pool={pool.base}"
    if network.address_pools is None:
        pools = _value(config, "default-address-pools")
        bases = (
            [_range(pool.get("base")) for pool in pools if isinstance(pool, dict)] if isinstance(pools, list) else []
        )
        yield from (f"config-pool={base}" for base in bases[:MAX_POOLS] if base)
    if network.dns is not None and network.dns.nameservers:
        yield "own=dns"
    if network.ipv6 is not IPv6.AUTO:
        yield f"ipv6={'on' if network.ipv6 is IPv6.ENABLED else 'off'}"


def _ranges(spec: DindEnvironmentSpec, settings: BuildSettings) -> Iterator[str]:
    yield from (f"avoid={cidr}" for cidr in spec.network.avoid)
    yield from (f"cluster={cidr}" for cidr in settings.cluster_cidrs)


def _value(config: dict[str, Any], key: str) -> object:
    """The value of a key; dockerd ignores the case of keys."""
    return next((value for name, value in config.items() if name.lower() == key), None)


def _range(value: object) -> str | None:
    """The range as text; None for a value that dockerd rejects itself."""
    try:
        return str(ipaddress.ip_interface(value)) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None

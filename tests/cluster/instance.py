"""Where one embedded cluster lives and what it is called.

Every name, address and folder is derived from the instance's name here and nowhere else, so that a second
cluster (the lifecycle tests use one) runs beside the first without sharing anything with it.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

DEFAULT_INSTANCE = "main"

# A link's name has at most 15 characters (IFNAMSIZ less the end mark) and ours add 5.
_NAME = re.compile(r"[a-z][a-z0-9]{0,9}")

# The default instance is slot 0 and has 10.96.0.0/16 for its services, as most clusters do. The others have a /20
# each after that: 16 to 254, where the links' network has its last usable number.
_FIRST_SLOT, _LAST_SLOT = 16, 254


def cache_root() -> Path:
    """The project's folder for what a fresh clone should not have to make again."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "dind-operator"


@dataclass(frozen=True)
class Instance:
    """One embedded cluster. `name` is at most 10 lower-case letters and digits."""

    name: str = DEFAULT_INSTANCE
    cache: Path | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"The instance name {self.name!r} (DIND_CLUSTER_INSTANCE) is not usable: "
                "choose at most 10 lower-case letters and digits, a letter first."
            )

    @classmethod
    def from_environment(cls) -> Instance:
        return cls(os.environ.get("DIND_CLUSTER_INSTANCE") or DEFAULT_INSTANCE)

    @property
    def slot(self) -> int:
        """Chooses the addresses: 0 for the default instance, a hash of the name for all others."""
        if self.name == DEFAULT_INSTANCE:
            return 0
        return _FIRST_SLOT + zlib.crc32(self.name.encode()) % (_LAST_SLOT - _FIRST_SLOT + 1)

    # Folders and files

    @property
    def cache_root(self) -> Path:
        return self.cache or cache_root()

    @property
    def state(self) -> Path:
        """All that the running cluster writes. `down` removes it."""
        return self.cache_root / "cluster" / self.name

    @property
    def lock_file(self) -> Path:
        """Outside of `state`: it has to outlive it."""
        return self.cache_root / "locks" / f"cluster-{self.name}.lock"

    @property
    def record_file(self) -> Path:
        return self.state / "cluster.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def vm(self) -> Path:
        """All of the virtual node: its disks, its keys, the sockets it is reached by."""
        return self.state / "vm"

    # Names

    @property
    def node_name(self) -> str:
        return f"dind-{self.name}"

    @property
    def cgroup(self) -> str:
        """The one cgroup, in every hierarchy, that holds the cluster's processes and its pods."""
        return f"dind-{self.name}"

    @property
    def link(self) -> str:
        """The machine's end of the link to the node."""
        return f"dind-{self.name}"

    @property
    def rule_comment(self) -> str:
        """Marks the iptables rules that are ours. Only rules with exactly this comment are ever removed."""
        return f"dind-cluster-{self.name}"

    @property
    def vm_node_name(self) -> str:
        return f"dind-{self.name}-vm"

    # Addresses

    @property
    def link_network(self) -> str:
        return f"10.87.{self.slot}.0/24"

    @property
    def machine_address(self) -> str:
        return f"10.87.{self.slot}.1"

    @property
    def node_address(self) -> str:
        return f"10.87.{self.slot}.2"

    @property
    def pod_range(self) -> str:
        """Eight /24, one for each of up to eight nodes; the first node has the first."""
        return str(self._pods)

    @property
    def node_pod_range(self) -> str:
        return f"{self._pods.network_address}/24"

    @property
    def vm_link_network(self) -> str:
        """The link between the node and the virtual one: four addresses in the upper half of the links' network.

        A piece of what the machine already hides behind its own address when packets leave it, so the virtual node
        gets out by the same rules.
        """
        return f"10.87.{self.slot}.128/30"

    @property
    def vm_gateway(self) -> str:
        return f"10.87.{self.slot}.129"

    @property
    def vm_address(self) -> str:
        return f"10.87.{self.slot}.130"

    @property
    def vm_pod_range(self) -> str:
        return f"{self._pods.network_address + 256}/24"

    @property
    def service_range(self) -> str:
        return str(self._services)

    @property
    def api_service_address(self) -> str:
        return str(self._services[1])

    @property
    def dns_address(self) -> str:
        return str(self._services[10])

    @property
    def _pods(self) -> IPv4Network:
        # 10.88.0.0/13 in pieces of 2048 addresses.
        return IPv4Network((int(IPv4Address("10.88.0.0")) + 2048 * self.slot, 21))

    @property
    def _services(self) -> IPv4Network:
        # 10.96.0.0/12 in pieces of 4096 addresses, the first sixteen of them in one.
        return IPv4Network((int(IPv4Address("10.96.0.0")) + 4096 * self.slot, 16 if self.slot == 0 else 20))

    @property
    def server(self) -> str:
        return f"https://{self.node_address}:6443"

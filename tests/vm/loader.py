"""The chart's loader of AppArmor profiles, on both nodes, and what of its profiles is in the virtual node's kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.environment import eventually
from tests.helm import merged
from tests.installation import Installation
from tests.live import Object
from tests.vm import pods
from tests.vm.view import Vm

ENFORCED, COMPLAINED = "dind (enforce)", "dind-complain (complain)"

_NAMESPACE = "kube-system"
_DAEMON_SET = "dind-operator-apparmor"
_LOADED = "/sys/kernel/security/apparmor/profiles"
_FORGOTTEN = "tests: the profiles were forgotten"


@dataclass(frozen=True)
class Loader:
    """The chart's DaemonSet. `values` are those of the installation, which stays as it is."""

    installation: Installation
    values: Object
    vm: Vm

    def loaded(self) -> set[str]:
        """What of the two is in the node's kernel, with its mode."""
        return {line for line in self.vm.run(f"cat {_LOADED}").splitlines() if line.startswith("dind")}

    def load(self, rules: str = "") -> None:
        """Returns when the profiles are loaded, with rules of the site."""
        self._change(enabled=True, rules=rules)
        where = f"--namespace={_NAMESPACE}"
        self.installation.cluster("rollout", "status", f"daemonset/{_DAEMON_SET}", where, "--timeout=600s", timeout=630)

    def remove(self) -> None:
        """Returns when its pods are gone: until then they may unload."""
        self.start_removing()
        self.gone()

    def start_removing(self) -> None:
        self._change(enabled=False)

    def gone(self) -> None:
        eventually(lambda: not self.pods(), "the loader is gone", 300)

    def _change(self, *, enabled: bool, rules: str = "") -> None:
        load = {"enabled": enabled, "namespace": _NAMESPACE, "tolerations": [pods.TOLERATION]}
        # Helm would wait too little: this node is slow.
        upgrade = replace(self.installation, flags=()).upgrade
        upgrade(merged(self.values, {"apparmor": {"load": load, "extraRules": rules}}))

    def forget(self) -> None:
        """Neither a profile in the kernel nor a line in its log. And every message reaches the log, also in a burst."""
        self.vm.run(
            'for name in dind dind-complain; do ! grep -q "^$name " '
            f'{_LOADED} || echo "profile $name {{}}" | apparmor_parser --remove; done; '
            f"sysctl -q kernel.printk_ratelimit=0; echo '{_FORGOTTEN}' >/dev/kmsg"
        )

    def denied(self, profile: str) -> list[str]:
        """The lines of the node's log about a profile since it was forgotten. Others read the same log."""
        lines = self.vm.run("dmesg").rpartition(_FORGOTTEN)[2].splitlines()
        return [line for line in lines if f'profile="{profile}"' in line and "STATUS" not in line]

    def pods(self) -> dict[str, str]:
        """By node."""
        chosen = "app.kubernetes.io/component=apparmor-loader"
        found = self.installation.cluster.items("pods", _NAMESPACE, chosen)
        return {item["spec"].get("nodeName", ""): item["metadata"]["name"] for item in found}

    def log(self, pod: str) -> str:
        return self.installation.cluster.log(_NAMESPACE, pod)

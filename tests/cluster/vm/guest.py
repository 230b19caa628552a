"""The files that make a guest a node of one cluster, as text by path. Pure: an instance and a few facts in, files out.

They are handed to the guest at every boot as a tar on its second disk, and laid over the image's.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import render
from tests.cluster.components import NODE_LABEL
from tests.cluster.instance import Instance

# Slow, and not to be landed on by accident: what is meant for it says so.
TAINT = {"key": "dind.dev/slow", "value": "true", "effect": "NoSchedule"}

# One range of 65536 ids for each pod, as the kubelet demands; the first starts above the node's own ids.
MAX_PODS = 110
_IDS = 65536

_KUBERNETES = "/etc/kubernetes"
_SOCKET = "/run/containerd/containerd.sock"
_NULL = "/dev/null"
# Where what is not Debian's goes.
_PROGRAMS = "/usr/local/bin"

# What a node of an hour's life does without. Each costs a second or more under emulation.
_MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "getty.target", "systemd-logind.service", "systemd-pstore.service"),
    *("ldconfig.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service"),
    *("systemd-update-done.service", "systemd-sysusers.service", "systemd-firstboot.service"),
    *("systemd-machine-id-commit.service", "systemd-journal-flush.service", "systemd-random-seed.service"),
    *("systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-hibernate-clear.service"),
    *("systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service", "sshd-keygen.service", "remote-fs.target"),
    *("systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-update-utmp.service"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-tracing.mount"),
    # The guest's disk is its own, its link is set up before systemd: there is nothing to find.
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-remount-fs.service"),
)


@dataclass(frozen=True)
class GuestFile:
    """A file of the guest, of root. A link if `link` says where to."""

    content: bytes = b""
    mode: int = 0o644
    link: str | None = None


Files = dict[str, GuestFile]


def _text(text: str, mode: int = 0o644) -> GuestFile:
    return GuestFile(text.encode(), mode)


def containerd() -> str:
    """The first node's configuration, with systemd's cgroups and a second runtime handler."""
    return render.containerd(
        address=_SOCKET,
        networks="/etc/cni/net.d",
        shim=f"{_PROGRAMS}/containerd-shim-runc-v2",
        runc=f"{_PROGRAMS}/runc",
        systemd=True,
        writable=True,
    )


def kubelet(instance: Instance) -> str:
    """The first node's settings, with this node's places, systemd's cgroups and a slow node's patience."""
    config: dict[str, Any] = json.loads(render.kubelet(instance))
    for machines_own in ("cgroupRoot", "volumePluginDir", "failCgroupV1"):
        del config[machines_own]
    config["authentication"]["x509"]["clientCAFile"] = f"{_KUBERNETES}/pki/ca.crt"
    config |= {
        "tlsCertFile": f"{_KUBERNETES}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{_KUBERNETES}/pki/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "systemd",
        # Otherwise runc 1.5.2 and later let systemd stop the whole container when a nested one is out of memory (docs/security.md).
        "singleProcessOOMKill": True,
        "resolvConf": "/etc/resolv.conf",
        "podCIDR": instance.vm_pod_range,
        "maxPods": MAX_PODS,
        "registerWithTaints": [TAINT],
        # Ten times slower than a node: what takes 2 minutes at most elsewhere may take its time here.
        "runtimeRequestTimeout": "10m",
        # The first node looks every five seconds, which is a tenth of this one.
        "syncFrequency": "20s",
        "volumeStatsAggPeriod": "1m",
    }
    return json.dumps(config, indent=1)


def proxy(instance: Instance) -> str:
    config: dict[str, Any] = json.loads(render.proxy(instance))
    config["clientConnection"]["kubeconfig"] = f"{_KUBERNETES}/proxy.kubeconfig"
    return json.dumps(config, indent=1)


def cni(instance: Instance, mtu: int) -> str:
    """The bridge, without its NAT: that hides pods from other nodes' pods too. See `_pod_nat`."""
    config: dict[str, Any] = json.loads(render.cni(instance, mtu))
    bridge = config["plugins"][0]
    bridge["ipMasq"] = False
    bridge["ipam"]["ranges"] = [[{"subnet": instance.vm_pod_range}]]
    return json.dumps(config, indent=1)


def _service(description: str, command: str, *, after: str = "", extra: str = "") -> GuestFile:
    return _text(
        f"[Unit]\nDescription={description}\nAfter={after}\nStartLimitIntervalSec=0\n"
        f"[Service]\nExecStart={command}\n{extra}"
    )


def _units(instance: Instance) -> Files:
    """The guest's own services by name."""
    kubenode = f"{_PROGRAMS}/kubenode"
    once = "Type=oneshot\nRemainAfterExit=yes\n"
    # Its messages on the console too: they are in the instance's logs then, also when the guest cannot be reached.
    server = "Restart=always\nRestartSec=2\nStandardOutput=journal+console\n"
    # As on the first node: Go collects garbage less often than by itself.
    server += "Environment=GOGC=400\n"
    names = f"--hostname-override={instance.vm_node_name}"
    kubelet_command = (
        f"{kubenode} kubelet --config={_KUBERNETES}/kubelet.json --kubeconfig={_KUBERNETES}/kubelet.kubeconfig "
        f"{names} --node-ip={instance.vm_address} --node-labels={NODE_LABEL}=vm"
    )
    nat = (
        f"/usr/sbin/iptables -w -t nat -A POSTROUTING -s {instance.vm_pod_range} ! -d {instance.pod_range} "
        "-m comment --comment pods-going-out -j MASQUERADE"
    )
    imports = f"{_PROGRAMS}/ctr --namespace k8s.io images import /opt/pause.tar"
    # As its own unit has it: systemd leaves the containers' cgroups alone, and they outlive it.
    runtime = "Type=notify\nDelegate=yes\nKillMode=process\nOOMScoreAdjust=-999\nRestart=always\nRestartSec=2\n"
    runtime += "LimitNPROC=infinity\nLimitCORE=infinity\nTasksMax=infinity\n"
    return {
        "containerd": _service(
            "containerd", f"{_PROGRAMS}/containerd", after="systemd-modules-load.service", extra=runtime
        ),
        "pods-nat": _service("Hide pods behind the node outside of the pod network", nat, extra=once),
        "pause-image": _service("Import the pause image", imports, after="containerd.service", extra=once),
        "kubelet": _service("kubelet", kubelet_command, after="containerd.service pause-image.service", extra=server),
        "kube-proxy": _service(
            "kube-proxy",
            f"{kubenode} kube-proxy --config={_KUBERNETES}/proxy.json {names}",
            after="pods-nat.service",
            extra=server.replace("journal+console", "journal"),
        ),
    }


def system(instance: Instance, mtu: int, resolv_conf: str) -> Files:
    """Everything but secrets, by path in the guest: what decides whether a running guest is still the one wanted."""
    files = {
        "etc/hostname": _text(f"{instance.vm_node_name}\n"),
        "etc/hosts": _text(f"127.0.0.1 localhost\n{instance.vm_address} {instance.vm_node_name}\n"),
        "etc/resolv.conf": _text(resolv_conf),
        "etc/fstab": _text(""),
        "etc/dind-node/network": _text(f"ADDRESS={instance.vm_address}/30\nGATEWAY={instance.vm_gateway}\nMTU={mtu}\n"),
        "etc/containerd/config.toml": _text(containerd()),
        "etc/cni/net.d/10-bridge.conflist": _text(cni(instance, mtu)),
        f"{_KUBERNETES[1:]}/kubelet.json": _text(kubelet(instance)),
        f"{_KUBERNETES[1:]}/proxy.json": _text(proxy(instance)),
        "etc/modules-load.d/node.conf": _text("overlay\nbr_netfilter\nnf_conntrack\n"),
        "etc/sysctl.d/90-node.conf": _text(
            # Bridged packets have to meet kube-proxy's rules, or a pod cannot reach itself through its Service.
            "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n"
            "fs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\n"
            # Every message of AppArmor is kept: tests read from them what was denied.
            "kernel.printk_ratelimit = 0\n"
        ),
        # No auditing by the journal: then AppArmor's messages are the kernel's, for dmesg and journal alike.
        "etc/systemd/journald.conf.d/node.conf": _text("[Journal]\nAudit=no\nRateLimitIntervalSec=0\n"),
        "etc/ssh/sshd_config.d/node.conf": _text(
            # Many sessions share one connection; names are not looked up on a network without a server for them.
            "UseDNS no\nUsePAM no\nPasswordAuthentication no\nMaxSessions 100\nMaxStartups 100\n"
        ),
        **{f"etc/{which}": _text(f"kubelet:{_IDS}:{_IDS * MAX_PODS}\n") for which in ("subuid", "subgid")},
    }
    wants = "etc/systemd/system/multi-user.target.wants"
    for name, unit in _units(instance).items():
        files[f"etc/systemd/system/{name}.service"] = unit
        files[f"{wants}/{name}.service"] = GuestFile(link=f"/etc/systemd/system/{name}.service")
    # A quota that limits nothing, so that there is one from the start. With the first and without the last, the kernel changes code
    # of its scheduler while it runs, at which the emulated processors crashed once. Each check of a pod sets and removes one.
    files["etc/systemd/system/containerd.service.d/node.conf"] = _text(
        "[Service]\nEnvironment=GOGC=400\nCPUQuota=1000%\n"
    )
    for unit_name in _MASKED:
        files[f"etc/systemd/system/{unit_name}"] = GuestFile(link=_NULL)
    return files


def secrets(folder: Path, pki: Path, machine_id: str) -> Files:
    """What is one cluster's alone: identities of kubelet, proxy and sshd. `folder` is the instance's own for the guest."""
    kubernetes = _KUBERNETES[1:]

    def private(path: Path) -> GuestFile:
        return GuestFile(path.read_bytes(), 0o600)

    return {
        "etc/machine-id": _text(f"{machine_id}\n"),
        f"{kubernetes}/pki/ca.crt": GuestFile((pki / "ca.crt").read_bytes()),
        f"{kubernetes}/pki/kubelet.crt": GuestFile((pki / "kubelet-vm.crt").read_bytes()),
        f"{kubernetes}/pki/kubelet.key": private(pki / "kubelet-vm.key"),
        f"{kubernetes}/kubelet.kubeconfig": private(folder / "kubelet.kubeconfig"),
        f"{kubernetes}/proxy.kubeconfig": private(folder.parent / "proxy.kubeconfig"),
        "etc/ssh/ssh_host_ed25519_key": private(folder / "host-key"),
        "etc/ssh/ssh_host_ed25519_key.pub": GuestFile((folder / "host-key.pub").read_bytes()),
        "root/.ssh/authorized_keys": GuestFile((folder / "key.pub").read_bytes(), 0o600),
    }


def pack(target: Path, files: Mapping[str, GuestFile]) -> None:
    """A tar of the files, moved into its place whole."""
    temporary = target.with_name(target.name + ".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    with tarfile.open(temporary, "w") as archive:
        for name, file in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.mode = file.mode
            if file.link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
                archive.addfile(entry)
            else:
                entry.size = len(file.content)
                archive.addfile(entry, io.BytesIO(file.content))
    temporary.replace(target)


def programs(kubenode: Path, containerd: Path, runc: Path, pause: Path) -> dict[str, Path]:
    """What is big and stays as long as the guest's disk does: the machine's files by their paths in the guest."""
    shim, ctr = (containerd.with_name(name) for name in ("containerd-shim-runc-v2", "ctr"))
    binaries = {f"{_PROGRAMS[1:]}/{file.name}": file for file in (kubenode, containerd, shim, ctr, runc)}
    return {**binaries, "opt/pause.tar": pause}


def pack_programs(target: Path, files: Mapping[str, Path]) -> None:
    """A tar of the programs, of root, whoever has them on the machine."""
    temporary = target.with_name(target.name + ".new")
    with tarfile.open(temporary, "w") as archive:
        for name, source in files.items():
            entry = archive.gettarinfo(str(source), arcname=name)
            entry.mode = 0o755 if name.startswith(_PROGRAMS[1:]) else 0o644
            entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "root", "root"
            with source.open("rb") as content:
                archive.addfile(entry, content)
    temporary.replace(target)

"""What the embedded cluster needs of a bare Debian machine, and installing what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.cluster import tools
from tests.cluster.instance import cache_root
from tests.cluster.progress import ClusterError, say, step

# Package: a file of it, by which its presence is known without asking dpkg.
PACKAGES = {
    "apparmor": "/usr/sbin/apparmor_parser",
    "bash": "/bin/bash",
    "buildah": "/usr/bin/buildah",
    "busybox-static": "/bin/busybox",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "conntrack": "/usr/sbin/conntrack",
    "containerd": "/usr/bin/containerd",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "dash": "/bin/dash",
    "debootstrap": "/usr/sbin/debootstrap",
    "gcc": "/usr/bin/gcc",
    "iproute2": "/sbin/ip",
    "iptables": "/usr/sbin/iptables",
    "libc6-dev": "/usr/include/stdlib.h",
    "libseccomp-dev": "/usr/include/seccomp.h",
    "mount": "/bin/mount",
    "openssl": "/usr/bin/openssl",
    "runc": "/usr/sbin/runc",
    "shellcheck": "/usr/bin/shellcheck",
    "socat": "/usr/bin/socat",
    "util-linux": "/usr/bin/nsenter",
}

# What the virtual node needs beyond that.
VM_PACKAGES = {
    "e2fsprogs": "/sbin/mke2fs",
    "openssh-client": "/usr/bin/ssh",
    "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
}


# The first that can wait for an object to be created (`kubectl wait --for=create`).
_OLDEST_KUBECTL = (1, 31)


def missing(packages: dict[str, str] = PACKAGES) -> list[str]:
    """The packages that have to be installed."""
    return [package for package, file in packages.items() if not Path(file).exists()]


def setup(*, vm: bool = False) -> None:
    """Installs what is missing, for the virtual node too if `vm`. Says nothing, and takes no time to speak of, when nothing is."""
    if os.geteuid() != 0:
        raise ClusterError(
            "The embedded cluster has to be root on this machine (namespaces, cgroups, mounts): run make as root, "
            "or use a cluster of your own with CLUSTER=current."
        )
    packages = PACKAGES | VM_PACKAGES if vm else PACKAGES
    if missing(packages):
        _install(packages)
    _provide_kubectl()


def programs() -> Path:
    """Where programs are that the machine lacks: put before the PATH by the Makefile and by `python -m tests.cluster`."""
    return cache_root() / "bin"


def kubectl_version(text: str) -> tuple[int, int]:
    """(major, minor) in what `kubectl version --client --output=json` prints; (0, 0) if it cannot be told."""
    try:
        version = json.loads(text)["clientVersion"]
        # Some distributions write a minor of "20+".
        return int(version["major"]), int(str(version["minor"]).rstrip("+"))
    except (ValueError, KeyError, TypeError):
        return 0, 0


def _provide_kubectl() -> None:
    """Builds kubectl where the machine's own is missing or, as in older Debian releases, years behind."""
    found = shutil.which("kubectl")
    if found is not None:
        command = [found, "version", "--client", "--output=json"]
        version = kubectl_version(subprocess.run(command, check=False, capture_output=True, text=True).stdout)
        if version >= _OLDEST_KUBECTL:
            return
        say(f"==> {found} is of release {version[0]}.{version[1]}, too old for the tests: using one built here")
    link = programs() / "kubectl"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(tools.tool("kubectl"))


def _install(packages: dict[str, str]) -> None:
    absent = missing(packages)
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"This is not a Debian machine and these Debian packages' programs are missing: {', '.join(absent)}. "
            "Install them, or use a cluster of your own with CLUSTER=current."
        )
    with step(f"Installing {len(absent)} Debian packages: {' '.join(absent)}", usual=60):
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *absent)
    still = missing(packages)
    if still:
        raise ClusterError(f"apt-get reported success, but the programs of {', '.join(still)} are still missing.")


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # Services that packages bring (containerd, mostly) are not wanted: the cluster starts its own.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        done = subprocess.run(
            ["apt-get", "-q", "-o", "Acquire::Retries=3", *arguments],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
        )
    finally:
        if ours:
            policy.unlink(missing_ok=True)
    if done.returncode != 0:
        raise ClusterError(
            f"`apt-get {' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()[-500:]}\n"
            "A Debian mirror must be reachable; run the same command again to go on."
        )

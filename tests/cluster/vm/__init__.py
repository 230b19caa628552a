"""The cluster's second node: a Debian guest under QEMU's emulation, with what most clusters have and the first lacks.

cgroup version 2, systemd, an enforcing AppArmor and a containerd that knows writable cgroups: a kernel of its own is
the only way to them on a machine that boots without. It lives inside of the first node's namespaces and ends with them.
"""

#!/bin/bash
# The first process of the node's namespaces: gives it mounts of its own, then reaps orphans until it is ended.
# When it ends, the kernel ends every process of the node and takes its mounts and links away.
# usage: node-init.sh STATE   (run under unshare --mount --net --pid --fork)
set -euo pipefail
state=$1

# Mounting here must not show on the machine; mounting among the node's pods must propagate.
mount --make-rprivate /
mount -t proc proc /proc

# A new sysfs shows this network namespace's links; the cgroup hierarchies are carried over into it.
mkdir -p "$state/cgroups"
mount --rbind /sys/fs/cgroup "$state/cgroups"
mount -t sysfs sysfs /sys
mount --rbind "$state/cgroups" /sys/fs/cgroup
umount -l "$state/cgroups"
rmdir "$state/cgroups"

# The node's usual places, on the cluster's own folder. The kubelet and containerd have some of them built in.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
for place in lib/kubelet lib/containerd lib/cni log/pods log/containers; do
  mkdir -p "$state/var/$place"
  mount --bind "$state/var/$place" "/var/$place"
done
resolv=$(readlink -m /etc/resolv.conf)
mkdir -p "$(dirname "$resolv")"
[ -e "$resolv" ] || : >"$resolv"
mount --bind "$state/resolv.conf" "$resolv"
mount --make-rshared /

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
: >"$state/node-up"

# bash collects every child that ends, adopted ones too, while it waits.
trap 'exit 0' TERM
while :; do
  sleep 86400 &
  wait $! || :
done

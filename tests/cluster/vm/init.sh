#!/bin/busybox sh
# shellcheck shell=dash
# The guest's first program: hands the cluster's files in, sets the link up, and makes way for systemd.
# Disks by their order: the root, the cluster's configuration (a tar), its programs (a tar), containerd's folder with images.
# Doing this here saves udev, a network service and their start, which cost half a minute under emulation.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
for module in /modules/*.ko; do
  insmod "$module"
done
mount -t ext4 -o noatime /dev/vda /root
tar -x -f /dev/vdb -C /root
# Programs stay what they are as long as the disk does. The mark comes after the data: power may fail between.
if [ ! -e /root/var/lib/programs-are-here ]; then
  tar -x -f /dev/vdc -C /root
  sync
  : >/root/var/lib/programs-are-here
  sync
fi
mkdir -p /root/var/lib/containerd
mount -t ext4 -o noatime /dev/vdd /root/var/lib/containerd
# shellcheck disable=SC1091 # it comes with the configuration: ADDRESS, GATEWAY, MTU
. /root/etc/dind-node/network
ip link set lo up
ip link set eth0 mtu "$MTU" up
ip address add "$ADDRESS" dev eth0
ip route add default via "$GATEWAY"
mount --move /dev /root/dev
umount /proc
exec switch_root /root /sbin/init

#!/bin/bash
# Makes what a guest boots from, with nothing of any cluster in it: root.img, vmlinuz and initrd in FOLDER.
# usage: make-root.sh FOLDER SUITE MIRROR SIZE INIT PACKAGE...   (under unshare --mount --pid)
# INIT is the initial ramdisk's first program.
set -euo pipefail
folder=$1 suite=$2 mirror=$3 size=$4 init=$5
shift 5
root=$folder/root

inside() { DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"; }

packages() {
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  for place in doc man locale info; do
    printf 'path-exclude /usr/share/%s/*\n' $place
  done >"$root/etc/dpkg/dpkg.cfg.d/slim"
  echo "deb $mirror $suite main" >"$root/etc/apt/sources.list"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  mount -t proc proc "$root/proc"
  inside apt-get -q -o Acquire::Retries=3 -o Acquire::Languages=none update
  inside apt-get -q -o Acquire::Retries=3 install --yes --no-install-recommends "$@"
}

# The kernel's package is unpacked, not installed: it would bring udev and a ramdisk for every machine.
kernel() {
  local name
  name=$(inside apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p')
  inside sh -c "cd /tmp && apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download $name"
  inside sh -c 'dpkg -x /tmp/linux-image-*.deb / && rm /tmp/linux-image-*.deb'
  release=$(cd "$root/usr/lib/modules" 2>/dev/null && echo *)
  inside depmod "$release"
  mv "$root/boot/vmlinuz-$release" "$folder/vmlinuz"
  rm -rf "${root:?}"/boot/*
}

# Busybox and the few modules between the kernel and its root: a second of emulation instead of twenty.
ramdisk() {
  local tree=$folder/ramdisk number=100 file
  mkdir -p "$tree"/{bin,dev,proc,root,modules}
  cp "$root/usr/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$init" "$tree/init"
  for module in virtio_pci virtio_blk virtio_net ext4; do
    inside modprobe --set-version "$release" --show-depends $module
  done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >"$folder/modules"
  while read -r file; do
    number=$((number + 1))
    case $file in
      *.xz) xz -dc "$root$file" >"$tree/modules/$number-$(basename "$file" .xz)" ;;
      *) cp "$root$file" "$tree/modules/$number-$(basename "$file")" ;;
    esac
  done <"$folder/modules"
  (cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$folder/initrd"
}

slim() {
  umount "$root/proc"
  inside apt-get clean
  rm -rf "${root:?}"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/log/* \
    "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/resolv.conf" "$root/usr/sbin/policy-rc.d"
  # Compiling a hundred profiles of desktop programs takes longer than all else of the boot.
  find "$root/etc/apparmor.d" -maxdepth 1 -type f -delete
  mkdir -p "$root/root/.ssh" "$root/etc/kubernetes"
  # The owner of the ids that the kubelet gives to pods' user namespaces; without it, it would take any.
  inside useradd --system --no-create-home --shell /usr/sbin/nologin kubelet
}

packages "$@"
kernel
ramdisk
slim
truncate -s "$size" "$folder/root.img"
mke2fs -q -t ext4 -L root -J size=64 -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$folder/root.img"

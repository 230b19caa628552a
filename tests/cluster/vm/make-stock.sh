#!/bin/bash
# Makes FOLDER/stock.img: an ext4 file system with the folder of a containerd that has the images of ARCHIVE..., unpacked.
# usage: make-stock.sh FOLDER SIZE PROGRAMS ARCHIVE...   (under unshare --mount --pid)
# PROGRAMS is the folder with containerd and ctr.
set -euo pipefail
folder=$1 size=$2 programs=$3
shift 3
cd "$folder"
mkdir root state
cat >config.toml <<END
version = 2
root = "$folder/root"
state = "$folder/state"
# What has files elsewhere on the machine.
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"
]
[grpc]
  address = "$folder/s"
END
"$programs/containerd" --config config.toml &
server=$!
ctr() { "$programs/ctr" --address "$folder/s" --namespace k8s.io "$@"; }
# It answers within a second. One that ended will not.
until ctr version >/dev/null 2>&1; do
  kill -0 $server
  sleep 0.1
done
for archive in "$@"; do
  ctr images import "$archive"
done
kill $server
wait $server || :
truncate -s "$size" stock.img
mke2fs -q -t ext4 -L stock -J size=64 -E lazy_itable_init=1,lazy_journal_init=1 -d root stock.img

# shellcheck shell=sh
# Whether the docker volume carries Docker's layers, asked before dockerd would answer with vfs, which copies each of them
# whole: slow, and ten times the size. Everything is really done, in a folder that is gone afterwards.
# Sourced after lib.sh and modes.sh by the init container (to prove it) and by the daemon's wrapper (to choose by it).

docker_volume=/var/lib/docker
# The driver that the user chose; what it needs is dockerd's to say.
storage_driver=${DIND_STORAGE_DRIVER-}
scratch='' storage_filesystem=''

storage_remedy="The overlay2 storage driver needs ext4, xfs (ftype=1), tmpfs or btrfs: use storage.emptyDir or \
storage.ephemeral, check what file system the node keeps its volumes on, and that its kernel has overlay"

# Sets scratch to a new folder on the volume.
storage_open() {
	doing Storage StorageNotWritable "Checking the docker volume"
	storage_filesystem=$(filesystem_of "$docker_volume")
	# What a killed run left.
	rm -rf "$docker_volume"/.dind-preflight.* 2>/dev/null || :
	out=$(mkdir "$docker_volume/.dind-preflight.$$" 2>&1) || storage_not_writable "$out"
	scratch=$docker_volume/.dind-preflight.$$
}

storage_not_writable() {
	! storage_full "$1" || fail Storage DiskFull "The docker volume at $docker_volume is full ($storage_filesystem): $1. \
Free space on it, or give the environment another."
	fail Storage StorageNotWritable "The docker volume at $docker_volume cannot be written ($storage_filesystem): $1. \
Give the environment a volume that is mounted read-write."
}

storage_full() {
	case $1 in
	*"No space left"*) return 0 ;;
	esac
	return 1
}

# Always after storage_open, also when the script ends in between.
storage_close() {
	[ -n "$scratch" ] || return 0
	doing Storage StorageNotWritable "Removing the check's own files"
	out=$(scratch_remove 2>&1) || fail Storage StorageNotWritable "The check of $docker_volume could not remove its own \
files ($storage_filesystem): $out."
	scratch=''
}

scratch_remove() {
	unmount_all "$scratch"
	rm -rf "$scratch"
}

# --- a folder of the node ---

# Where the init container sees the folder of the node in which the environment's own must really lie.
host_prefix=/dind-host-prefix
host_folder=${DIND_HOST_FOLDER-}

# Only the node can know what a path leads to: with the prefix in sight, whether the mounted folder is the one of that name.
# The kubelet follows no link out of the prefix, but one within it leads to the folder of somebody else.
host_folder_check() {
	[ -n "$host_folder" ] || return 0
	doing Storage HostPathIsSymlink "Checking the folder of the node"
	found=$host_prefix/$host_folder
	# shellcheck disable=SC3013  # dash and busybox know -ef; without it there is only a text to compare
	if [ -L "$found" ] || [ ! -d "$found" ] || ! [ "$found" -ef "$docker_volume" ]; then
		fail Storage HostPathIsSymlink "storage.hostPath.path leads to another folder of the node than it says: '$host_folder' is \
a symbolic link there, or was one just now. Have the link removed on the node, or choose another folder."
	fi
	host_folder_free
	# For whoever finds it locked. Anew: a user of the daemon before this one may have put a pipe there, or a link to another file.
	rm -rf "$docker_volume/.dind-owner" || :
	(set -C && printf '%s\n' "${DIND_OWNER-}" >"$docker_volume/.dind-owner") || storage_not_writable "$docker_volume/.dind-owner"
}

# The daemon's container holds the lock for as long as it lives.
host_folder_free() {
	[ -n "$host_folder" ] || return 0
	doing Storage HostPathInUse "Asking for the folder of the node"
	! out=$("$lib/dind-node" lock "$docker_volume" 2>&1) || return 0
	owner=''
	[ ! -f "$docker_volume/.dind-owner" ] || read -r owner <"$docker_volume/.dind-owner" || :
	# Whoever has the folder can write there what they like.
	case $owner in
	'' | *[!a-z0-9/.\ -]*) owner='that is not known' ;;
	esac
	fail Storage HostPathInUse "The folder '$host_folder' of the node is in use by another daemon: of the environment $owner \
($out). Choose another folder, or keep the environments on different nodes by scheduling.nodeSelector."
}

# --- what it carries ---

# What a container does to its image: reads below, deletes it (a whiteout above), renames, writes anew.
# Called in a condition, where set -e does nothing: hence the one chain. Its output is the reason.
overlay_works() {
	layers_make "$scratch/kernel" &&
		mount -t overlay -o "$layers$(mode_overlay_options)" overlay "$merged" && layers_change &&
		mode_prove_overlay "$merged" || return 1
	if [ -f "$upper/created" ] && [ -f "$upper/moved" ] && [ -c "$upper/deleted" ] && [ -c "$upper/renamed" ]; then
		return 0
	fi
	echo "files changed through the overlay did not arrive in its upper layer"
	return 1
}

# The same by a program, which marks what is deleted in its own way.
fuse_works() {
	layers_make "$scratch/fuse" && fuse-overlayfs -o "$layers" "$merged" && layers_change || return 1
	if [ -f "$upper/created" ] && [ -f "$upper/moved" ] && [ ! -e "$merged/deleted" ] && [ ! -e "$merged/renamed" ]; then
		return 0
	fi
	echo "files changed through fuse-overlayfs did not arrive in its upper layer"
	return 1
}

layers_make() {
	merged=$1/merged upper=$1/upper
	layers="lowerdir=$1/lower,upperdir=$upper,workdir=$1/work"
	# Not echo: dash calls every failed write an I/O error, and a full volume must be told from a broken one.
	mkdir -p "$1/lower/folder" "$upper" "$1/work" "$merged" &&
		cat "$lib/lib.sh" >"$1/lower/deleted" && cat "$lib/lib.sh" >"$1/lower/renamed"
}

layers_change() {
	cat "$lib/lib.sh" >"$merged/created" && rm "$merged/deleted" && mv "$merged/renamed" "$merged/moved"
}

# The device is there, and the container's rules let it be opened.
fuse_device() {
	[ -c /dev/fuse ] && (: <>/dev/fuse) 2>/dev/null
}

# In the daemon's container, whose image may have the program: sets storage_flag to what dockerd is to be told, if anything.
storage_choose() {
	# shellcheck disable=SC2034  # read by entrypoint
	storage_flag=''
	[ -z "$storage_driver" ] && [ ! -e "$lib/overlay-works" ] || return 0
	storage_open
	doing Storage StorageNotOverlayCapable "Trying an overlay on the docker volume"
	if ! why=$(overlay_works 2>&1); then
		# A full volume says nothing of its file system; what is on it already decides.
		storage_full "$why" || storage_choose_fuse "$why"
	fi
	storage_close
}

storage_choose_fuse() {
	needs="fuse-overlayfs could do without, and"
	command -v fuse-overlayfs >/dev/null || fail Storage FuseOverlayfsMissing "The file system of $docker_volume \
($storage_filesystem) cannot carry an overlay: $1. $needs is not in the daemon's image: use one that has it (the \
project's own has). $storage_remedy."
	fuse_device || fail Storage FuseOverlayfsMissing "The file system of $docker_volume ($storage_filesystem) cannot carry \
an overlay: $1. $needs needs /dev/fuse, which this container lacks: use security.mode Privileged, on a node whose kernel has \
fuse. $storage_remedy."
	out=$(fuse_works 2>&1) || fail Storage StorageNotOverlayCapable "The file system of $docker_volume \
($storage_filesystem) carries neither an overlay ($1) nor fuse-overlayfs ($out). $storage_remedy."
	# shellcheck disable=SC2034  # read by entrypoint
	storage_flag=--storage-driver=fuse-overlayfs
	say "no overlay can be mounted on $docker_volume ($storage_filesystem): using fuse-overlayfs, which is slower"
}

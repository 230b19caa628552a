# shellcheck shell=sh
# The cgroup hierarchy as a nested dockerd needs it: mounted afresh inside a private cgroup namespace, so that what it
# makes stays inside this container's own group, with a group /docker that is smaller than the container.
# Sourced after lib.sh and modes.sh by the init container (to prove it) and by the daemon's wrapper (to do it).

cgroup_root=/sys/fs/cgroup
# dockerd refuses to start, or limits do not work, without these. `devices` is a controller only on version 1.
required_controllers='memory cpu pids'
# Kept from nested containers of a limit on processes: dockerd and containerd start with about 20 threads and grow
# to twice that, and the shim of each container has a dozen.
pids_reserve=256

cgroup_version='' cgroup_controllers='' cgroup_delegated='' memory_limit='' nested_limit=''

# Sets cgroup_version and cgroup_controllers from FILE, this process's groups. A hybrid machine (version 1 plus an
# empty version 2 beside it) is version 1; a version 2 machine with a stray named hierarchy, or net_cls, is version 2.
cgroup_detect() {
	cgroup_version=2 cgroup_controllers=''
	while IFS=: read -r _ names _; do
		case ,$names, in
		,, | ,name=*) continue ;;
		*,memory,* | *,cpu,* | *,pids,*) cgroup_version=1 ;;
		esac
		split_commas "$names"
		cgroup_controllers="$cgroup_controllers $words"
	done <"$1"
	[ "$cgroup_version" = 1 ] || cgroup_controllers=''
	cgroup_controllers=${cgroup_controllers# }
}

# A private cgroup namespace must exist already (dind-node cgroupns). Mounts in this mount namespace.
cgroup_mount() {
	mode_require
	doing Cgroups CgroupsNotMountable "Mounting cgroups on $cgroup_root"
	out=$(mount --make-rprivate / 2>&1) || cgroup_refused "make the container's mounts private" "$out"
	cgroup_detect /proc/self/cgroup
	# The old remedy: whatever the runtime mounted shows the node's tree or is read-only. Away with it, mount afresh.
	unmount_all "$cgroup_root"
	if [ "$cgroup_version" = 1 ]; then cgroup_mount_v1; else cgroup_mount_v2; fi
	cgroup_require
}

cgroup_refused() {
	needs="a privileged container"
	[ "$security_mode" = Privileged ] || needs="the capability SYS_ADMIN (mode $security_mode)"
	fail Cgroups CgroupsNotMountable "The container could not $1: $2. Docker in Docker needs $needs and an \
AppArmor or seccomp profile that allows mounts: $(remedy "check security.mode, security.appArmorProfile\
${report_profile:+ (in force: $report_profile)} and the node's policy." "start it with --privileged, or with the flags \
that docs/docker-in-docker-in-docker.md lists.")"
}

cgroup_require() {
	[ "$cgroup_version" = 2 ] || among devices "$cgroup_controllers" || cgroup_missing devices
	for name in $required_controllers; do
		among "$name" "$cgroup_controllers" || cgroup_missing "$name"
	done
}

cgroup_missing() {
	fail Cgroups ControllerMissing "The cgroup controller '$1' is not available on this node (cgroup version \
$cgroup_version offers: ${cgroup_controllers:-none}). Enable it on the node (kernel command line, or the delegation of \
the container runtime's groups), or schedule the environment on other nodes."
}

# Version 1: every hierarchy this process is in, each rooted in its own group there. The version 2 tree of a hybrid
# machine stays unmounted: it has no controllers, and runc would make groups in it that outlive the container.
cgroup_mount_v1() {
	out=$(mount -t tmpfs -o nosuid,nodev,noexec,mode=755 cgroup "$cgroup_root" 2>&1) ||
		cgroup_refused "mount a tmpfs on $cgroup_root" "$out"
	cgroup_controllers=''
	while IFS=: read -r _ names _; do
		[ -n "$names" ] || continue
		cgroup_mount_hierarchy "$names"
	done </proc/self/cgroup
	cgroup_controllers=${cgroup_controllers# }
}

# One hierarchy by its field in /proc/self/cgroup: "memory", "cpu,cpuacct" or "name=systemd".
cgroup_mount_hierarchy() {
	dir=${1#name=} options=$1
	[ "$dir" = "$1" ] || options=none,$1
	mkdir -p "$cgroup_root/$dir"
	if ! out=$(mount -t cgroup -o "nosuid,nodev,noexec,$options" cgroup "$cgroup_root/$dir" 2>&1); then
		# Which ones the daemon cannot do without is asked afterwards.
		rmdir "$cgroup_root/$dir"
		say "the cgroup hierarchy $1 cannot be mounted and is left out: $out"
		return 0
	fi
	[ "$dir" = "$1" ] || return 0
	split_commas "$1"
	for name in $words; do
		cgroup_controllers="$cgroup_controllers $name"
		[ "$name" = "$dir" ] || ln -s "$dir" "$cgroup_root/$name"
	done
}

cgroup_mount_v2() {
	out=$(mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$cgroup_root" 2>&1) ||
		cgroup_refused "mount cgroup2 on $cgroup_root" "$out"
	mode_cgroup_writable "$cgroup_root"
	read -r cgroup_controllers <"$cgroup_root/cgroup.controllers" || cgroup_controllers=''
	# shellcheck disable=SC2034  # read by preflight.sh
	cgroup_delegated=1
	cgroup_delegate "$cgroup_root" || fail Cgroups CgroupSetupFailed "The controllers of $cgroup_root could not be \
passed on to child groups: other processes keep entering the container's group. Remove what runs beside the daemon in \
its container, or try again."
}

# Version 2 allows controllers in child groups only when no process is in the group itself: they move to /init.
# A process forked meanwhile makes the kernel refuse, so: again, for at most five seconds.
cgroup_delegate() {
	mkdir -p "$1/init" "$1/docker"
	delegate_try=0
	until cgroup_move "$1" "$1/init" && cgroup_enable "$1"; do
		delegate_try=$((delegate_try + 1))
		[ "$delegate_try" -lt 25 ] || return 1
		sleep 0.2
	done
	cgroup_enable "$1/docker"
}

# Undoes cgroup_delegate, for the check that must leave nothing behind. Only ever after cgroup_mount_v2 has mounted:
# before, this path may show the node's own root.
cgroup_undelegate() {
	read -r names <"$1/cgroup.subtree_control" || names=''
	for name in $names; do
		echo "-$name" >"$1/docker/cgroup.subtree_control" && echo "-$name" >"$1/cgroup.subtree_control"
	done 2>/dev/null
	cgroup_move "$1/init" "$1"
	rmdir "$1/init" "$1/docker" 2>/dev/null
}

# FROM TO: all processes. One that has ended meanwhile, or belongs to the kernel, is no error.
cgroup_move() {
	while read -r pid; do
		echo "$pid" >"$2/cgroup.procs" || :
	done 2>/dev/null <"$1/cgroup.procs"
}

# Every available controller, one by one, so that one that cannot be passed on does not keep back the others. Fails
# when a required one is refused.
cgroup_enable() {
	read -r names <"$1/cgroup.controllers" || names=''
	for name in $names; do
		echo "+$name" 2>/dev/null >"$1/cgroup.subtree_control" || ! among "$name" "$required_controllers" || return 1
	done 2>/dev/null
}

# Sets memory_limit to this container's own limit in bytes, or to nothing. Version 1 writes "no limit" as a number
# just below 2^63 (rounded to pages); no machine has 2^60 bytes.
memory_detect() {
	memory_limit=''
	file=$cgroup_root/memory.max
	[ "$cgroup_version" = 2 ] || file=$cgroup_root/memory/memory.limit_in_bytes
	[ -r "$file" ] || return 0
	read -r value <"$file"
	[ "$value" = max ] || [ "$value" -ge 1152921504606846976 ] || memory_limit=$value
}

# Sets nested_limit to the container's limit minus DIND_RESERVE_BYTES; to nothing when there is no limit or no reserve.
# The remainder keeps an out-of-memory build from taking the daemon with it.
nested_limit_compute() {
	doing Memory MemoryLimitTooLow "Reading the container's memory limit"
	nested_limit=''
	memory_detect
	case ${DIND_RESERVE_BYTES-} in
	'') return 0 ;;
	*[!0-9]* | 0?* | ????????????????????*)
		fail Memory ReserveInvalid "DIND_RESERVE_BYTES is '$DIND_RESERVE_BYTES'. It must be a whole number of bytes."
		;;
	esac
	if [ -z "$memory_limit" ]; then
		# With a kubelet the environment's condition says so.
		[ -e "$termination_log" ] || say "nothing is held back by DIND_RESERVE_BYTES: this container has no memory limit of \
its own. Start it with --memory, or nested containers may take what the daemon needs."
		return 0
	fi
	[ "$DIND_RESERVE_BYTES" -lt "$memory_limit" ] || fail Memory MemoryLimitTooLow "Nothing is left for nested \
containers: the memory limit is $memory_limit bytes and $DIND_RESERVE_BYTES bytes are held back for the daemon (and \
for a docker volume in memory). $(remedy "Raise daemon.resources.limits.memory, or lower daemon.reserve.memory or the \
volume's sizeLimit." "Raise --memory, or lower DIND_RESERVE_BYTES.")"
	nested_limit=$((memory_limit - DIND_RESERVE_BYTES))
}

# Limits the group that dockerd puts its containers into (cgroup-parent /docker).
nested_limit_apply() {
	[ -n "$nested_limit" ] || return 0
	doing Memory MemoryLimitTooLow "Limiting the memory of nested containers"
	if [ "$cgroup_version" = 2 ]; then
		mkdir -p "$cgroup_root/docker"
		# Swap is an allowance of its own here, which the container's group already bounds.
		echo "$nested_limit" >"$cgroup_root/docker/memory.max"
	else
		nested_limit_apply_v1 "$cgroup_root/memory"
	fi
}

nested_limit_apply_v1() {
	mkdir -p "$1/docker"
	# Before Linux 5.11 a group counts its children only when told so; afterwards it always does.
	echo 1 2>/dev/null >"$1/docker/memory.use_hierarchy" || :
	# Memory plus swap may never be below memory: a raise starts with the one, a cut with the other.
	memory_swap_v1 "$1"
	echo "$nested_limit" >"$1/docker/memory.limit_in_bytes"
	memory_swap_v1 "$1"
}

# Version 1 limits memory plus swap as one sum: less by the reserve too, or what was held back would come as swap.
memory_swap_v1() {
	[ -r "$1/memory.memsw.limit_in_bytes" ] || return 0
	read -r value <"$1/memory.memsw.limit_in_bytes"
	[ "$value" -ge 1152921504606846976 ] ||
		echo "$((value - DIND_RESERVE_BYTES))" 2>/dev/null >"$1/docker/memory.memsw.limit_in_bytes" || :
}

# Limits the processes of nested containers, where this container has such a limit, so that the daemon can still start
# some when they have used up theirs. The pod's own limit is in a group above, which cannot be read from here.
nested_pids_apply() {
	doing Cgroups CgroupSetupFailed "Limiting the processes of nested containers"
	folder=$cgroup_root
	[ "$cgroup_version" = 2 ] || folder=$cgroup_root/pids
	[ -r "$folder/pids.max" ] && read -r value <"$folder/pids.max" && [ "$value" != max ] || return 0
	# Of a small limit the half, or nothing would be left for what the daemon is there for.
	nested_pids=$((value - pids_reserve))
	[ "$nested_pids" -ge $((value / 2)) ] || nested_pids=$((value / 2))
	mkdir -p "$folder/docker"
	echo "$nested_pids" >"$folder/docker/pids.max"
}

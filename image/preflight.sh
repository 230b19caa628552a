# shellcheck shell=sh
# The init container's proof that a nested daemon will work here, before any is started. Everything is really done:
# mounts, child groups with limits, an overlay on the docker volume. Whatever it made is gone at its end, however it ends.
# Sourced by cgroups-mount after lib.sh, cgroups.sh, storage.sh, network.sh, registry.sh and proxy.sh.

# What the daemon's container needs of this folder. busybox is not among them: the daemon's image has its own sh.
tool_files='dind-node lib.sh modes.sh cgroups.sh storage.sh cli.sh network.sh registry.sh mirrors.sh proxy.sh preflight.sh cgroups-mount entrypoint'

# What is known so far; a report of a failure shows the rest as null.
report_apparmor=false report_profile='' report_filesystem='' report_overlay=false report_driver=$storage_driver
report_inotify=null
child=''

preflight_run() {
	preflight_cgroups
	preflight_inotify
	nested_limit_compute
	preflight_storage
	network_choose
	registry_check
	proxy_check
	preflight_install "$1"
	doing Install ReportFailed "Writing the report"
	write_report true null
	say_report
}

# --- what is there ---

report_apparmor_state() {
	doing Cgroups ReportFailed "Reading the AppArmor state"
	file=/sys/module/apparmor/parameters/enabled
	[ -r "$file" ] && read -r value <"$file" && [ "$value" = Y ] || return 0
	report_apparmor=true
	for file in /proc/self/attr/apparmor/current /proc/self/attr/current; do
		[ -r "$file" ] && read -r report_profile <"$file" 2>/dev/null && return 0
	done
	return 0
}

# --- cgroups ---

preflight_cgroups() {
	cgroup_mount
	doing Cgroups CgroupSetupFailed "Making a child group"
	child=dind-preflight
	if [ "$cgroup_version" = 1 ]; then child_limits_v1; else child_limits_v2; fi
	child_process
	child_remove || child_failed "remove the group" "still in use"
}

child_failed() {
	fail Cgroups CgroupSetupFailed "A child group inside the container's own cgroup does not work: could not $1 ($2). \
Nested containers would not start. Check that the container is privileged and that no other agent on the node manages \
its cgroup."
}

# The folders of the child group: one per controller on version 1, one in all on version 2.
child_folders() {
	if [ "$cgroup_version" = 2 ]; then
		printf '%s' "$cgroup_root/$child"
	else
		for name in $required_controllers; do printf '%s ' "$cgroup_root/$name/$child"; done
	fi
}

# A limit written and read back: FILE VALUE
child_limit() {
	out=$(printf '%s\n' "$2" 2>&1 >"$1") || child_failed "write $2 to $1" "$out"
	read -r value <"$1"
	[ "$value" = "$2" ] || child_failed "limit by $1" "wrote $2, read $value"
}

child_make() {
	for folder in $(child_folders); do
		[ -d "$folder" ] || out=$(mkdir "$folder" 2>&1) || child_failed "make $folder" "$out"
	done
}

# 64 MiB and 64 processes: ample for the process below. One per cent of a cpu is below any limit the container itself
# may have, which version 1 insists on; it is taken off again before something runs.
child_limits_v1() {
	child_make
	child_limit "$cgroup_root/memory/$child/memory.limit_in_bytes" 67108864
	child_limit "$cgroup_root/pids/$child/pids.max" 64
	child_limit "$cgroup_root/cpu/$child/cpu.shares" 512
	[ -e "$cgroup_root/cpu/$child/cpu.cfs_quota_us" ] || return 0
	child_limit "$cgroup_root/cpu/$child/cpu.cfs_quota_us" 1000
	child_limit "$cgroup_root/cpu/$child/cpu.cfs_quota_us" -1
}

child_limits_v2() {
	child_make
	child_limit "$cgroup_root/$child/memory.max" 67108864
	child_limit "$cgroup_root/$child/pids.max" 64
	child_limit "$cgroup_root/$child/cpu.max" "1000 100000"
	child_limit "$cgroup_root/$child/cpu.max" "max 100000"
}

# A process that enters the group says where it is.
child_process() {
	# shellcheck disable=SC2016,SC2046  # for the inner shell; one argument for each folder
	out=$(sh -ec 'for folder; do echo 0 >"$folder/cgroup.procs"; done; cat /proc/self/cgroup' sh $(child_folders) 2>&1) ||
		child_failed "run a process in it" "$out"
	count=0
	for line in $out; do
		case $line in
		*:"/$child") count=$((count + 1)) ;;
		esac
	done
	# shellcheck disable=SC2046
	set -- $(child_folders)
	[ "$count" -ge "$#" ] || child_failed "run a process in it" "it is elsewhere: $out"
}

child_remove() {
	held=''
	for folder in $(child_folders); do
		[ ! -d "$folder" ] || rmdir "$folder" 2>/dev/null || held=$folder
	done
	[ -z "$held" ] || return 1
	child=''
}

# --- what all pods of the node share ---

# A daemon and its first containers take a few of them.
inotify_needed=8

# Never a reason to stop: dockerd starts without, and what fails for want of one says only "too many open files".
preflight_inotify() {
	# Not by read, which asks for one byte after the other: of a number in /proc/sys there is only a first.
	inotify_limit=$(cat /proc/sys/fs/inotify/max_user_instances) || return 0
	inotify_free=$("$lib/dind-node" inotify "$inotify_needed") || return 0
	report_inotify="{\"limit\":$inotify_limit,\"free\":$inotify_free}"
	[ "$inotify_free" -lt "$inotify_needed" ] || return 0
	say "only $inotify_free of the node's $inotify_limit inotify instances are free, and all pods of the node share them: \
programs that watch files will fail with 'too many open files'. Raise the sysctl fs.inotify.max_user_instances of the node, \
for example to 8192"
}

# --- the docker volume ---

preflight_storage() {
	host_folder_check
	storage_open
	report_filesystem=$storage_filesystem
	doing Storage StorageNotOverlayCapable "Trying an overlay on the docker volume"
	case $storage_driver in
	'' | overlay | overlay2 | overlayfs)
		if out=$(overlay_works 2>&1); then report_overlay=true; else preflight_no_overlay "$out"; fi
		;;
	fuse-overlayfs) fuse_device || preflight_no_fuse ;;
	*) say "the storage driver $storage_driver was chosen: whether it works here is left to dockerd" ;;
	esac
	mode_prove_mounts "$scratch"
	storage_close
}

# WHY. The daemon's image is not here: whether it has the program its wrapper will find out.
preflight_no_overlay() {
	! storage_full "$1" || storage_not_writable "$1"
	if [ -z "$storage_driver" ] && fuse_device; then
		report_driver=fuse-overlayfs
		say "no overlay can be mounted on $docker_volume ($report_filesystem): $1. fuse-overlayfs could be used"
		return 0
	fi
	fail Storage StorageNotOverlayCapable "The file system of $docker_volume ($report_filesystem) cannot carry an overlay: \
$1. $storage_remedy; or, where it says permission denied, allow overlay mounts in the AppArmor profile (now: \
${report_profile:-none})."
}

preflight_no_fuse() {
	fail Storage FuseOverlayfsMissing "The storage driver fuse-overlayfs was chosen, and it needs /dev/fuse, which this \
container lacks. Use security.mode Privileged, on a node whose kernel has fuse, or leave the storage driver out."
}

# --- the tool for the daemon's container ---

# By rename, so that a daemon that still runs from an older copy keeps it, and a copy cut short is never used.
preflight_install() {
	doing Install NodeToolInstallFailed "Copying the tool to $1"
	# Proved a moment ago on the same volume: the wrapper need not prove it again, which takes a second on a busy disk.
	rm -f "$1/overlay-works"
	[ "$report_overlay" = false ] || : >"$1/overlay-works"
	for name in $tool_files; do
		temporary=$1/.$name.new
		out=$({ cp "$lib/$name" "$temporary" && chmod 755 "$temporary" && mv -f "$temporary" "$1/$name"; } 2>&1) ||
			fail Install NodeToolInstallFailed "The tool could not be copied to $1: $out. The volume needs about 4 MiB free \
and must be mounted read-write in the init container."
	done
}

# --- the report ---

write_report() {
	controllers=''
	for name in $cgroup_controllers; do controllers="$controllers${controllers:+,}\"$name\""; done
	report="{\"version\":1,\"ok\":$1,\"tool\":\"$DIND_TOOL_VERSION\",\"mode\":$(json "$security_mode"),\"kernel\":$(json "$(uname -r)"),\"arch\":$(json "$(uname -m)"),\
\"cgroup\":{\"version\":${cgroup_version:-null},\"controllers\":[$controllers]},\"memory\":{\"limitBytes\":${memory_limit:-null}},\
\"apparmor\":{\"enabled\":$report_apparmor,\"profile\":$(json "$report_profile")},\
\"storage\":{\"path\":\"$docker_volume\",\"filesystem\":$(json "$report_filesystem"),\"overlay\":$report_overlay,\"driver\":$(json "$report_driver")},\
\"network\":${network_report:-null},\"inotify\":$report_inotify,\"error\":$2}"
	write_termination "$report"
}

# shellcheck disable=SC2329  # called by lib.sh
write_failure() {
	write_report false "$(json_error "$1" "$2" "$3")"
}

say_report() {
	say "security mode $security_mode"
	say "cgroup version $cgroup_version, controllers: $cgroup_controllers"
	say "memory limit: ${memory_limit:-none}${nested_limit:+, nested containers together: $nested_limit}"
	say "docker volume: $report_filesystem, overlay works: $report_overlay${report_driver:+, storage driver: $report_driver}"
	say "network: $network_report"
	say "inotify instances: ${inotify_limit:-unknown} for all pods of the node"
	say "kernel $(uname -r), $(uname -m), AppArmor profile: ${report_profile:-none}"
}

# The EXIT trap: STATUS
preflight_end() {
	trap '' TERM INT HUP
	set +e
	report_unexpected "$1"
	[ -z "$scratch" ] || scratch_remove
	[ -z "$child" ] || child_remove
	[ -z "$cgroup_delegated" ] || cgroup_undelegate "$cgroup_root"
	exit "$1"
}

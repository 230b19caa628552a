# shellcheck shell=sh
# What a container without `privileged` must still be able to do, asked before dockerd would find out: DIND_SECURITY_MODE
# is Capabilities or UserNamespace. In mode Privileged, which is meant when nothing is said, none of this is asked.
# Sourced after lib.sh, beside cgroups.sh, by the init container (to prove it) and by the daemon's wrapper (to do it).

security_mode=${DIND_SECURITY_MODE:-Privileged}

containerd_lines="containerd 2.1 or later with 'cgroup_writable = true' for the runtime handler of the pod's RuntimeClass"

# Before anything is mounted.
mode_require() {
	doing Cgroups CgroupsNotMountable "Checking the security mode"
	case $security_mode in
	Privileged) return 0 ;;
	Capabilities | UserNamespace) ;;
	*)
		fail Cgroups SecurityModeUnknown "This tool (version $DIND_TOOL_VERSION) knows no security mode '$security_mode'. \
Use an image of the node tool that is as new as the operator."
		;;
	esac
	cgroup_detect /proc/self/cgroup
	[ "$cgroup_version" = 2 ] || fail Cgroups CgroupVersionUnsupported "security.mode $security_mode needs cgroup version 2, \
and this node has version 1. There the device rules of nested containers are written to devices.allow, which only a \
privileged container may widen, so dockerd would start and no container in it. Boot the node with \
systemd.unified_cgroup_hierarchy=1, choose a node with version 2 by scheduling.nodeSelector, or use mode Privileged."
	[ "$security_mode" = Capabilities ] || in_user_namespace || fail Cgroups UserNamespaceMissing "security.mode \
UserNamespace was asked for, and this container runs without a user namespace: its root would be the node's. Kubernetes \
1.33 or later gives pods one (hostUsers: false; before, with the feature gate UserNamespacesSupport), with containerd \
2.0 or later and Linux 6.3 or later."
}

# Outside of any user namespace the whole range of numbers is mapped onto itself.
in_user_namespace() {
	read -r inner outer count </proc/self/uid_map
	[ "$inner $outer $count" != "0 0 4294967295" ]
}

# In a user namespace the container owns its cgroup only if the runtime gave it away. DIR is the mount just made.
mode_cgroup_writable() {
	[ "$security_mode" = UserNamespace ] || return 0
	out=$(mkdir -p "$1/init" 2>&1) || fail Cgroups CgroupNotWritable "The container may not write its own cgroup: $out. \
Nested containers would have no limits. security.mode UserNamespace needs $containerd_lines: add that line on the node \
and restart containerd, or name such a RuntimeClass in security.runtimeClassName."
}

# Options that an overlay needs here, with a comma in front. As dockerd does it: marks of deleted folders that root in a
# user namespace may write.
mode_overlay_options() {
	[ "$security_mode" != UserNamespace ] || printf ,userxattr
}

# A folder that replaces one of the layer below needs such a mark; not every file system takes it (tmpfs since Linux 6.6).
mode_prove_overlay() {
	[ "$security_mode" != UserNamespace ] || { rmdir "$1/folder" && mkdir "$1/folder"; }
}

# What runc mounts for each nested container, really mounted below DIR.
mode_prove_mounts() {
	[ "$security_mode" != Privileged ] || return 0
	doing Cgroups ProcMasked "Mounting /proc and /sys as for a nested container"
	mkdir -p "$1/proc" "$1/sys"
	out=$(mount -t proc -o nosuid,nodev,noexec proc "$1/proc" 2>&1) || mode_masked /proc "$out"
	out=$(mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$1/sys" 2>&1) || mode_masked /sys "$out"
}

mode_masked() {
	fail Cgroups ProcMasked "Nested containers would not start, because $1 cannot be mounted anew: $2. The kernel refuses \
that in a user namespace while parts of the container's own are covered: Kubernetes 1.33 or later uncovers them \
(procMount: Unmasked; before, with the feature gate ProcMountType). Otherwise an AppArmor or seccomp profile forbids \
mounts: check security.appArmorProfile."
}

# dockerd turns on forwarding in /proc/sys/net, which a container without `privileged` finds read-only. Only that part is
# made writable: the rest (kernel.core_pattern, for one) is the node's. In a user namespace nothing is covered, and the
# kernel allows only what belongs to the pod's own network. Tried by opening, because busybox's `[ -w ]` believes that root
# may write anything.
writable_proc_sys() {
	doing Cgroups ProcSysReadOnly "Making /proc/sys writable"
	! proc_sys_writable || return 0
	if [ "$security_mode" = Capabilities ] && mount --bind /proc/sys/net /proc/sys/net 2>/dev/null; then
		mount -o remount,bind,rw,nosuid,nodev,noexec /proc/sys/net 2>/dev/null || umount /proc/sys/net || :
		! proc_sys_writable || return 0
	fi
	mount -o remount,rw /proc/sys 2>/dev/null || mount -o remount,bind,rw /proc/sys 2>/dev/null || :
	proc_sys_writable || say "/proc/sys stays read-only: dockerd may not set up networks"
}

proc_sys_writable() {
	(: >>/proc/sys/net/ipv4/ip_forward) 2>/dev/null
}

# DIR: puts dind-node there under the name runc, and DIR first in PATH, where it has a reason: a limit of nested containers, a proxy, a user
# namespace, or what may not be had here.
mode_choose_runc() {
	doing Daemon ConfigNotWritable "Preparing the wrapper of runc"
	nested_file=''
	if [ -n "${nested_limit-}" ]; then
		nested_file=$cgroup_root/docker/memory.max
		[ "$cgroup_version" = 2 ] || nested_file=$cgroup_root/memory/docker/memory.limit_in_bytes
	fi
	wrapper=$("$lib/dind-node" runc-settings ${DIND_PROXY:+--proxy} ${nested_file:+--memory "$nested_file"} "$1")
	PATH=${wrapper:+$wrapper:}$PATH
}

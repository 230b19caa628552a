// Package security is what a container without `privileged` must still be able to do, asked before dockerd would find out. In mode
// Privileged, which is meant when nothing is said, none of this is asked.
package security

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/userns"
)

// Release is that of this program.
const Release = "0.1.0"

// The values of spec.security.mode.
const (
	Privileged    = "Privileged"
	Capabilities  = "Capabilities"
	UserNamespace = "UserNamespace"
)

const containerdLines = "containerd 2.1 or later with 'cgroup_writable = true' for the runtime handler of the pod's RuntimeClass"

// Mode is one of these values, or one that this release does not know.
type Mode string

// Require says whether the mode works with this version of cgroups; nothing is mounted yet.
func (m Mode) Require(cgroupVersion int) error {
	failure.Doing("Cgroups", "CgroupsNotMountable", "Checking the security mode")
	switch m {
	case Privileged:
		return nil
	case Capabilities, UserNamespace:
	default:
		return failure.New("Cgroups", "SecurityModeUnknown", "This tool (version %s) knows no security mode '%s'. Use an image of the node tool "+
			"that is as new as the operator.", Release, m)
	}
	if cgroupVersion != 2 {
		return failure.New("Cgroups", "CgroupVersionUnsupported", "security.mode %s needs cgroup version 2, and this node has version 1. There the "+
			"device rules of nested containers are written to devices.allow, which only a privileged container may widen, so dockerd would start "+
			"and no container in it. Boot the node with systemd.unified_cgroup_hierarchy=1, choose a node with version 2 by "+
			"scheduling.nodeSelector, or use mode Privileged.", m)
	}
	if m == UserNamespace && !userns.Inside() {
		return failure.New("Cgroups", "UserNamespaceMissing", "security.mode UserNamespace was asked for, and this container runs without a user "+
			"namespace: its root would be the node's. Kubernetes 1.33 or later gives pods one (hostUsers: false; before, with the feature gate "+
			"UserNamespacesSupport), with containerd 2.0 or later and Linux 6.3 or later.")
	}
	return nil
}

// Needs is what the mode needs to mount anything.
func (m Mode) Needs() string {
	if m == Privileged {
		return "a privileged container"
	}
	return "the capability SYS_ADMIN (mode " + string(m) + ")"
}

// CgroupWritable asks, of the mount just made: in a user namespace the container owns its cgroup only if the runtime gave it away.
func (m Mode) CgroupWritable(root string) error {
	if m != UserNamespace {
		return nil
	}
	if err := os.Mkdir(filepath.Join(root, "init"), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return failure.New("Cgroups", "CgroupNotWritable", "The container may not write its own cgroup: %v. Nested containers would have no limits. "+
			"security.mode UserNamespace needs %s: add that line on the node and restart containerd, or name such a RuntimeClass in "+
			"security.runtimeClassName.", err, containerdLines)
	}
	return nil
}

// OverlayOptions are options that an overlay needs here, with a comma in front. As dockerd does it: marks of deleted directories that root in a
// user namespace may write.
func (m Mode) OverlayOptions() string {
	if m == UserNamespace {
		return ",userxattr"
	}
	return ""
}

// ProveOverlay replaces a directory of the layer below: it needs such a mark, and not every file system takes it (tmpfs since Linux 6.6).
func (m Mode) ProveOverlay(merged string) error {
	if m != UserNamespace {
		return nil
	}
	folder := filepath.Join(merged, "folder")
	if err := os.Remove(folder); err != nil {
		return err
	}
	return os.Mkdir(folder, 0o755)
}

// ProveMounts mounts below the directory what runc mounts for each nested container.
func (m Mode) ProveMounts(below string) error {
	if m == Privileged {
		return nil
	}
	failure.Doing("Cgroups", "ProcMasked", "Mounting /proc and /sys as for a nested container")
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, each := range []struct {
		kind, place, name string
		flags             uintptr
	}{{"proc", "proc", "/proc", flags}, {"sysfs", "sys", "/sys", flags | unix.MS_RDONLY}} {
		place := filepath.Join(below, each.place)
		if err := os.MkdirAll(place, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(each.kind, place, each.kind, each.flags, ""); err != nil {
			return failure.New("Cgroups", "ProcMasked", "Nested containers would not start, because %s cannot be mounted anew: %v. The kernel refuses that "+
				"in a user namespace while parts of the container's own are covered: Kubernetes 1.33 or later uncovers them (procMount: Unmasked; "+
				"before, with the feature gate ProcMountType). Otherwise an AppArmor or seccomp profile forbids mounts: check "+
				"security.appArmorProfile.", each.name, err)
		}
	}
	return nil
}

// OpenProcSys makes writable what dockerd needs of /proc/sys, which a container without `privileged` finds read-only: dockerd turns on
// forwarding in /proc/sys/net. Only that part is opened: the rest (kernel.core_pattern, for one) is the node's. In a user namespace nothing is
// covered, and the kernel allows only what belongs to the pod's own network.
func (m Mode) OpenProcSys() {
	failure.Doing("Cgroups", "ProcSysReadOnly", "Making /proc/sys writable")
	if procSysWritable() {
		return
	}
	const (
		net    = "/proc/sys/net"
		remake = unix.MS_REMOUNT | unix.MS_BIND
		locked = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	)
	if m == Capabilities && unix.Mount(net, net, "", unix.MS_BIND, "") == nil {
		if unix.Mount("", net, "", remake|locked, "") != nil {
			unix.Unmount(net, 0)
		}
		if procSysWritable() {
			return
		}
	}
	if unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|locked, "") != nil {
		unix.Mount("", "/proc/sys", "", remake|locked, "")
	}
	if !procSysWritable() {
		logs.Say("/proc/sys stays read-only: dockerd may not set up networks")
	}
}

// procSysWritable opens: root may write anything as far as access(2) knows.
func procSysWritable() bool {
	file, err := os.OpenFile("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY, 0)
	if err == nil {
		file.Close()
	}
	return err == nil
}

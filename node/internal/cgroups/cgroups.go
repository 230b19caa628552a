// Package cgroups makes the cgroup hierarchy as a nested dockerd needs it: mounted afresh inside a private cgroup namespace, so that what it
// makes stays inside this container's own group, with a group /docker that is smaller than the container.
package cgroups

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/mounts"
	"dind.dev/node/internal/security"
)

const (
	// Root is where the hierarchy is mounted.
	Root = "/sys/fs/cgroup"
	// noLimit: version 1 writes "no limit" as a number just below 2^63, rounded to pages; no machine has as much as this.
	noLimit = 1 << 60
	// processesKept is kept from nested containers of a limit on processes: dockerd and containerd start with about 20 threads and grow
	// to twice that, and the shim of each container has a dozen.
	processesKept = 256

	mountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
)

// required: dockerd refuses to start, or limits do not work, without these. `devices` is a controller only on version 1.
var required = []string{"memory", "cpu", "pids"}

// The kernel refuses to pass controllers on while a process is in the group, and one may have been forked meanwhile: it is tried again, for
// about five seconds.
const (
	delegateTries      = 30
	delegateFirstPause = 2 * time.Millisecond
	delegatePause      = 200 * time.Millisecond
)

// Hierarchy is what there is.
type Hierarchy struct {
	// Version is 1 or 2; 0 while it is not known.
	Version     int
	Controllers []string

	root string
	// delegated is set when there are groups of ours that have to go again.
	delegated bool
	child     string
}

// Detect reads the groups of a process. A hybrid machine (version 1 plus an empty version 2 beside it) is version 1; a version 2 machine with a
// stray named hierarchy, or net_cls, is version 2.
func Detect(groups string) Hierarchy {
	found := Hierarchy{Version: 2, root: Root}
	for _, field := range fields(groups) {
		if field == "" || strings.HasPrefix(field, "name=") {
			continue
		}
		names := strings.Split(field, ",")
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(required, name) }) {
			found.Version = 1
		}
		found.Controllers = append(found.Controllers, names...)
	}
	if found.Version == 2 {
		found.Controllers = nil
	}
	return found
}

// fields are the second ones of each line: "memory", "cpu,cpuacct", "name=systemd" or "" for version 2.
func fields(groups string) []string {
	var found []string
	for _, line := range strings.Split(groups, "\n") {
		if parts := strings.SplitN(line, ":", 3); len(parts) == 3 {
			found = append(found, parts[1])
		}
	}
	return found
}

// Refused is the failure of a step that needs a privilege; the profile is that of AppArmor, where one is known.
func Refused(mode security.Mode, step string, err error, profile string) error {
	if profile != "" {
		profile = " (in force: " + profile + ")"
	}
	return failure.New("Cgroups", "CgroupsNotMountable", "The container could not %s: %v. Docker in Docker needs %s and an AppArmor or seccomp profile "+
		"that allows mounts: %s", step, err, mode.Needs(), failure.Remedy("check security.mode, security.appArmorProfile"+profile+
		" and the node's policy.", "start it with --privileged, or with the flags that docs/docker-in-docker-in-docker.md lists."))
}

// Mount mounts it, in a private cgroup namespace that must exist already, and in this mount namespace. The profile is that of AppArmor in force,
// where it is known. What was found is returned also when the rest fails.
func Mount(mode security.Mode, profile string) (Hierarchy, error) {
	failure.Doing("Cgroups", "CgroupsNotMountable", "Reading this container's cgroups")
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Hierarchy{}, err
	}
	h := Detect(string(groups))
	if err := mode.Require(h.Version); err != nil {
		return h, err
	}
	err = h.mount(mode, profile)
	return h, err
}

func (h *Hierarchy) mount(mode security.Mode, profile string) error {
	failure.Doing("Cgroups", "CgroupsNotMountable", "Mounting cgroups on "+Root)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return Refused(mode, "make the container's mounts private", err, profile)
	}
	// The old remedy: whatever the runtime mounted shows the node's tree or is read-only. Away with it, mount afresh.
	mounts.UnmountAll(h.root)
	var err error
	if h.Version == 1 {
		err = h.mount1(mode, profile)
	} else {
		err = h.mount2(mode, profile)
	}
	if err != nil {
		return err
	}
	return h.require()
}

func (h *Hierarchy) require() error {
	names := required
	if h.Version == 1 {
		names = append([]string{"devices"}, required...)
	}
	for _, name := range names {
		if !slices.Contains(h.Controllers, name) {
			offered := strings.Join(h.Controllers, " ")
			if offered == "" {
				offered = "none"
			}
			return failure.New("Cgroups", "ControllerMissing", "The cgroup controller '%s' is not available on this node (cgroup version %d offers: %s). "+
				"Enable it on the node (kernel command line, or the delegation of the container runtime's groups), or schedule the environment on "+
				"other nodes.", name, h.Version, offered)
		}
	}
	return nil
}

// mount1 mounts every hierarchy of version 1 this process is in, each rooted in its own group there. The version 2 tree of a hybrid machine
// stays unmounted: it has no controllers, and runc would make groups in it that outlive the container.
func (h *Hierarchy) mount1(mode security.Mode, profile string) error {
	if err := unix.Mount("cgroup", h.root, "tmpfs", mountFlags, "mode=755"); err != nil {
		return Refused(mode, "mount a tmpfs on "+h.root, err, profile)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	h.Controllers = nil
	for _, field := range fields(string(groups)) {
		if field == "" {
			continue
		}
		if err := h.mountField(field); err != nil {
			return err
		}
	}
	return nil
}

// mountField mounts the hierarchy of a field in /proc/self/cgroup.
func (h *Hierarchy) mountField(field string) error {
	folder, options := field, field
	name, named := strings.CutPrefix(field, "name=")
	if named {
		folder, options = name, "none,"+field
	}
	place := filepath.Join(h.root, folder)
	if err := os.MkdirAll(place, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("cgroup", place, "cgroup", mountFlags, options); err != nil {
		// Which ones the daemon cannot do without is asked afterwards.
		logs.Say("the cgroup hierarchy %s cannot be mounted and is left out: %v", field, err)
		return os.Remove(place)
	}
	if named {
		return nil
	}
	for _, each := range strings.Split(field, ",") {
		h.Controllers = append(h.Controllers, each)
		if each != folder {
			if err := os.Symlink(folder, filepath.Join(h.root, each)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Hierarchy) mount2(mode security.Mode, profile string) error {
	if err := unix.Mount("cgroup2", h.root, "cgroup2", mountFlags, ""); err != nil {
		return Refused(mode, "mount cgroup2 on "+h.root, err, profile)
	}
	if err := mode.CgroupWritable(h.root); err != nil {
		return err
	}
	h.Controllers = words(filepath.Join(h.root, "cgroup.controllers"))
	h.delegated = true
	pause := delegateFirstPause
	for try := 1; ; try++ {
		err := h.delegate()
		if err == nil {
			break
		}
		if try == delegateTries {
			return failure.New("Cgroups", "CgroupSetupFailed", "The controllers of %s could not be passed on to child groups (%v): other processes keep "+
				"entering the container's group. Remove what runs beside the daemon in its container, or try again.", h.root, err)
		}
		time.Sleep(pause)
		pause = min(2*pause, delegatePause)
	}
	return enable(filepath.Join(h.root, "docker"))
}

// delegate: version 2 allows controllers in child groups only when no process is in the group itself: they move to /init.
func (h *Hierarchy) delegate() error {
	for _, name := range []string{"init", "docker"} {
		if err := os.MkdirAll(filepath.Join(h.root, name), 0o755); err != nil {
			return err
		}
	}
	move(h.root, filepath.Join(h.root, "init"))
	return enable(h.root)
}

// Undo removes what Mount made, for the check that must leave nothing behind.
func (h *Hierarchy) Undo() {
	if h.child != "" {
		h.removeChild()
	}
	if !h.delegated {
		return
	}
	docker, init := filepath.Join(h.root, "docker"), filepath.Join(h.root, "init")
	for _, name := range words(filepath.Join(h.root, "cgroup.subtree_control")) {
		for _, group := range []string{docker, h.root} {
			write(filepath.Join(group, "cgroup.subtree_control"), "-"+name)
		}
	}
	move(init, h.root)
	os.Remove(init)
	os.Remove(docker)
}

// move takes all processes to another group. One that has ended meanwhile, or belongs to the kernel, is no error.
func move(from, to string) {
	for _, pid := range words(filepath.Join(from, "cgroup.procs")) {
		write(filepath.Join(to, "cgroup.procs"), pid)
	}
}

// enable passes every available controller on, one by one, so that one that cannot be passed on does not keep back the others. It fails when a
// required one is refused.
func enable(group string) error {
	for _, name := range words(filepath.Join(group, "cgroup.controllers")) {
		if err := write(filepath.Join(group, "cgroup.subtree_control"), "+"+name); err != nil && slices.Contains(required, name) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func words(file string) []string {
	text, _ := os.ReadFile(file)
	return strings.Fields(string(text))
}

// write writes to a file of the kernel's, in one write.
func write(file, text string) error {
	open, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer open.Close()
	_, err = open.WriteString(text)
	return err
}

// number reads one; false if there is none, as of "max".
func number(file string) (uint64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	found, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return found, err == nil
}

// --- what nested containers may have ---

// folder is that of a controller.
func (h *Hierarchy) folder(controller string) string {
	if h.Version == 2 {
		return h.root
	}
	return filepath.Join(h.root, controller)
}

// MemoryLimit is this container's own limit in bytes; 0 if it has none.
func (h *Hierarchy) MemoryLimit() uint64 {
	file := "memory.max"
	if h.Version == 1 {
		file = "memory.limit_in_bytes"
	}
	if limit, ok := number(filepath.Join(h.folder("memory"), file)); ok && limit < noLimit {
		return limit
	}
	return 0
}

// NestedLimit is what nested containers may have together: the container's limit less the reserve. nil when there is no limit or no reserve. The
// remainder keeps an out-of-memory build from taking the daemon with it.
func (h *Hierarchy) NestedLimit(reserve *uint64) (*uint64, error) {
	failure.Doing("Memory", "MemoryLimitTooLow", "Reading the container's memory limit")
	if reserve == nil {
		return nil, nil
	}
	kept, limit := *reserve, h.MemoryLimit()
	if limit == 0 {
		// With a kubelet the environment's condition says so.
		if !failure.Kubelet() {
			logs.Say("nothing is held back by reserveBytes in DIND_NODE_CONFIG: this container has no memory limit of its own. Start it with --memory, or nested " +
				"containers may take what the daemon needs.")
		}
		return nil, nil
	}
	if kept >= limit {
		return nil, failure.New("Memory", "MemoryLimitTooLow", "Nothing is left for nested containers: the memory limit is %d bytes and %d bytes are held "+
			"back for the daemon (and for a docker volume in memory). %s", limit, kept, failure.Remedy("Raise daemon.resources.limits.memory, or lower "+
			"daemon.reserve.memory or the volume's sizeLimit.", "Raise --memory, or lower reserveBytes in DIND_NODE_CONFIG."))
	}
	left := limit - kept
	return &left, nil
}

// MemoryLimitFile has what nested containers may have together.
func (h *Hierarchy) MemoryLimitFile() string {
	if h.Version == 2 {
		return filepath.Join(h.root, "docker/memory.max")
	}
	return filepath.Join(h.root, "memory/docker/memory.limit_in_bytes")
}

// Limit limits the group that dockerd puts its containers into (cgroup-parent /docker): its memory to the limit, if there is one, and its
// processes.
func (h *Hierarchy) Limit(memory *uint64) error {
	if memory != nil {
		failure.Doing("Memory", "MemoryLimitTooLow", "Limiting the memory of nested containers")
		if err := h.limitMemory(*memory); err != nil {
			return err
		}
	}
	failure.Doing("Cgroups", "CgroupSetupFailed", "Limiting the processes of nested containers")
	return h.limitProcesses()
}

func (h *Hierarchy) limitMemory(limit uint64) error {
	group := filepath.Join(h.folder("memory"), "docker")
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	text := strconv.FormatUint(limit, 10)
	if h.Version == 2 {
		// Swap is an allowance of its own here, which the container's group already bounds.
		return write(h.MemoryLimitFile(), text)
	}
	// Before Linux 5.11 a group counts its children only when told so; afterwards it always does.
	write(filepath.Join(group, "memory.use_hierarchy"), "1")
	// Memory plus swap is limited as one sum: less by the reserve too, or what was held back would come as swap. It may never be below memory: a
	// raise starts with the one, a cut with the other.
	swap := func() {
		const file = "memory.memsw.limit_in_bytes"
		if all, ok := number(filepath.Join(h.root, "memory", file)); ok && all < noLimit {
			write(filepath.Join(group, file), strconv.FormatUint(all-(h.MemoryLimit()-limit), 10))
		}
	}
	swap()
	if err := write(h.MemoryLimitFile(), text); err != nil {
		return err
	}
	swap()
	return nil
}

// limitProcesses limits them where this container has such a limit, so that the daemon can still start some when nested containers have used up
// theirs. The pod's own limit is in a group above, which cannot be read from here.
func (h *Hierarchy) limitProcesses() error {
	own, ok := number(filepath.Join(h.folder("pids"), "pids.max"))
	if !ok {
		return nil
	}
	// Of a small limit the half, or nothing would be left for what the daemon is there for.
	left := own / 2
	if own > 2*processesKept {
		left = own - processesKept
	}
	group := filepath.Join(h.folder("pids"), "docker")
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	return write(filepath.Join(group, "pids.max"), strconv.FormatUint(left, 10))
}

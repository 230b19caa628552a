package cgroups

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dind.dev/node/internal/failure"
)

// child is the name of the group of the check.
const child = "dind-preflight"

// The limits of the check: ample for the process in it, and below any limit that the container itself may have, which version 1 insists on. That
// of the cpu is taken off again before something runs.
var limits = map[int][]struct{ controller, file, value string }{
	1: {
		{"memory", "memory.limit_in_bytes", "67108864"}, {"pids", "pids.max", "64"}, {"cpu", "cpu.shares", "512"},
		{"cpu", "cpu.cfs_quota_us", "1000"}, {"cpu", "cpu.cfs_quota_us", "-1"},
	},
	2: {
		{"memory", "memory.max", "67108864"}, {"pids", "pids.max", "64"}, {"cpu", "cpu.max", "1000 100000"}, {"cpu", "cpu.max", "max 100000"},
	},
}

// Prove makes a child group with limits and runs a process in it.
func (h *Hierarchy) Prove() error {
	failure.Doing("Cgroups", "CgroupSetupFailed", "Making a child group")
	h.child = child
	for _, folder := range h.childFolders() {
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return childFailed("make "+folder, err.Error())
		}
	}
	for _, each := range limits[h.Version] {
		file := filepath.Join(h.folder(each.controller), child, each.file)
		if _, err := os.Stat(file); err != nil && each.file == "cpu.cfs_quota_us" {
			// Kernels without bandwidth control.
			continue
		}
		if err := write(file, each.value); err != nil {
			return childFailed("write "+each.value+" to "+file, err.Error())
		}
		if got, _ := os.ReadFile(file); strings.TrimSpace(string(got)) != each.value {
			return childFailed("limit by "+file, "wrote "+each.value+", read "+strings.TrimSpace(string(got)))
		}
	}
	if err := h.proveProcess(); err != nil {
		return err
	}
	if !h.removeChild() {
		return childFailed("remove the group", "still in use")
	}
	return nil
}

func childFailed(what, why string) error {
	return failure.New("Cgroups", "CgroupSetupFailed", "A child group inside the container's own cgroup does not work: could not %s (%s). Nested containers "+
		"would not start. Check that the container is privileged and that no other agent on the node manages its cgroup.", what, why)
}

// childFolders are one for each controller on version 1, and one in all on version 2.
func (h *Hierarchy) childFolders() []string {
	if h.Version == 2 {
		return []string{filepath.Join(h.root, child)}
	}
	var found []string
	for _, name := range required {
		found = append(found, filepath.Join(h.root, name, child))
	}
	return found
}

// proveProcess puts a process into the group, as runc does it, and looks where it is.
func (h *Hierarchy) proveProcess() error {
	const what = "run a process in it"
	process := exec.Command("/proc/self/exe", "pause")
	if err := process.Start(); err != nil {
		return childFailed(what, err.Error())
	}
	defer func() {
		process.Process.Kill()
		process.Wait()
	}()
	folders := h.childFolders()
	for _, folder := range folders {
		if err := write(filepath.Join(folder, "cgroup.procs"), strconv.Itoa(process.Process.Pid)); err != nil {
			return childFailed(what, err.Error())
		}
	}
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(process.Process.Pid) + "/cgroup")
	if err != nil {
		return childFailed(what, err.Error())
	}
	inside := 0
	for _, line := range strings.Split(string(groups), "\n") {
		if strings.HasSuffix(line, ":/"+child) {
			inside++
		}
	}
	if inside < len(folders) {
		return childFailed(what, "it is elsewhere: "+strings.Join(strings.Fields(string(groups)), " "))
	}
	return nil
}

// removeChild gives the kernel a moment after the last process.
func (h *Hierarchy) removeChild() bool {
	for try := 0; ; try++ {
		left := false
		for _, folder := range h.childFolders() {
			if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
				left = true
			}
		}
		if !left {
			h.child = ""
			return true
		}
		if try == 10 {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Package limits follows the pod's memory limit: a pod can be given more or less memory while it runs. The limit of the group of nested
// containers was made from the one before; it follows. There is no event for a written limit, so it is read: one small file, every two seconds.
package limits

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/periods"
)

const (
	read = 2 * time.Second
	root = "/sys/fs/cgroup"
	// changes are remembered for a time; of more the oldest is forgotten.
	changes = 4
	// noLimit: version 1 writes "no limit" as a number just below 2^63; no machine has 2^60 bytes.
	noLimit = 1 << 60
)

// hierarchy is where limits are, in a version of cgroups. Swap is an allowance of its own in version 2.
type hierarchy struct {
	folder, limit, withSwap string
}

var (
	version1 = hierarchy{root + "/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}
	version2 = hierarchy{root, "memory.max", ""}
)

// get reads the limit of a group in bytes; 0 for none.
func (h hierarchy) get(group, name string) uint64 {
	text, err := os.ReadFile(filepath.Join(h.folder+group, name))
	if err != nil {
		return 0
	}
	return parse(string(text))
}

func parse(text string) uint64 {
	value, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || value >= noLimit {
		return 0
	}
	return value
}

func (h hierarchy) set(group, name string, value uint64) error {
	file, err := os.OpenFile(filepath.Join(h.folder+group, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "%d\n", value)
	return err
}

// setSwap: memory plus swap may never be below memory. A raise starts with the one, a cut with the other.
func (h hierarchy) setSwap(group string, reserve uint64) {
	if h.withSwap == "" {
		return
	}
	if value := h.get("", h.withSwap); value > reserve {
		h.set(group, h.withSwap, value-reserve)
	}
}

// before is a limit that the group had, and until when containers may appear that were given it.
type before struct {
	limit uint64
	until time.Time
}

type follower struct {
	tree    hierarchy
	group   string
	reserve uint64
	before  []before
	start   time.Duration
}

// Run follows the limit for ever. `last` is the limit that the group's own was made from: one that was written since then, while the daemon was
// prepared, counts. `reserve` are the bytes that nested containers are not given.
func Run(group string, last, reserve uint64) {
	f := follower{tree: version1, group: group, reserve: reserve, start: periods.Get().Start}
	if unix.Access(root+"/cgroup.controllers", unix.F_OK) == nil {
		f.tree = version2
	}
	for ; ; time.Sleep(read) {
		limit := f.tree.get("", f.tree.limit)
		if limit > 0 && limit != last {
			f.apply(limit)
		} else {
			f.applyBefore(time.Now())
		}
		if limit > 0 {
			last = limit
		}
	}
}

func (f *follower) apply(limit uint64) {
	was := f.tree.get(f.group, f.tree.limit)
	if limit <= f.reserve {
		logs.Say("the memory limit is now %d bytes, which leaves nothing beside the reserve of %d: nested containers keep their limit. Raise the "+
			"limit.", limit, f.reserve)
		return
	}
	f.tree.setSwap(f.group, f.reserve)
	if err := f.tree.set(f.group, f.tree.limit, limit-f.reserve); err != nil {
		logs.Say("the memory limit is now %d bytes; that of nested containers could not be changed: %v", limit, err)
		return
	}
	f.tree.setSwap(f.group, f.reserve)
	now := time.Now()
	f.before = append([]before{{was, now.Add(f.start)}}, f.before...)
	f.before = f.before[:min(len(f.before), changes)]
	f.applyBefore(now)
	logs.Say("the memory limit is now %d bytes; nested containers together have %d", limit, limit-f.reserve)
}

// applyBefore gives the new limit to containers that were given one of those before it.
func (f *follower) applyBefore(now time.Time) {
	var limit uint64
	for _, each := range f.before {
		if !now.Before(each.until) || each.limit == 0 {
			continue
		}
		if limit == 0 {
			limit = f.tree.get(f.group, f.tree.limit)
		}
		if limit > 0 && each.limit != limit {
			f.applyBelow(f.group, 2, each.limit, limit)
		}
	}
}

// applyBelow: containers without a limit of their own were given the group's (package runc). They follow it, those of builds in a group below the
// group, too. One that was given just as much by its user cannot be told from them.
func (f *follower) applyBelow(group string, depth int, from, to uint64) {
	entries, _ := os.ReadDir(f.tree.folder + group)
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		below := group + "/" + entry.Name()
		if f.tree.get(below, f.tree.limit) == from {
			f.tree.set(below, f.tree.limit, to)
		}
		if depth > 1 {
			f.applyBelow(below, depth-1, from, to)
		}
	}
}

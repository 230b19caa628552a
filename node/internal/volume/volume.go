// Package volume says when the docker volume is full and when it has room again, as a line of the container's log, so that nobody needs
// `kubectl exec` to learn it. Of a volume that has never been near full nothing is ever written. It also locks a directory of the node.
package volume

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/periods"
)

const (
	// repeat is the time between two lines while it is full, and for repeatsAfter lines after: a reader looks at the end of the log only, and other
	// lines push it out.
	repeat       = time.Minute
	repeatsAfter = 10

	// Full is less than this part free; of a large volume less than fullBytes, in which a layer or two still fit.
	fullPart  = 20
	fullBytes = 1 << 30
	// room is how much more has to be free for the volume to be well again, or one at the edge would be told of without end.
	room = 2
	// fullInodesPart: files run out before bytes where there are many small ones.
	fullInodesPart = 50
)

// Usage is what a file system holds and may hold, in bytes and in files.
type Usage struct {
	Used, Limit, UsedInodes, LimitInodes uint64
}

// Of reads the usage of the file system at the path. It counts as df does: what is kept back for root is neither used nor to be had.
func Of(path string) (Usage, error) {
	var about unix.Statfs_t
	if err := unix.Statfs(path, &about); err != nil {
		return Usage{}, err
	}
	size := uint64(about.Frsize)
	if size == 0 {
		size = uint64(about.Bsize)
	}
	used := (about.Blocks - min(about.Bfree, about.Blocks)) * size
	return Usage{
		Used: used, Limit: used + about.Bavail*size,
		UsedInodes: about.Files - min(about.Ffree, about.Files), LimitInodes: about.Files,
	}, nil
}

// Full says whether a volume is to be called full, given what it was called before.
func (u Usage) Full(before bool) bool {
	factor := uint64(1)
	if before {
		factor = room
	}
	if u.Limit == 0 {
		return false
	}
	if u.Limit-u.Used < factor*min(u.Limit/fullPart, fullBytes) {
		return true
	}
	// Some file systems make inodes as they need them and say 0.
	return u.LimitInodes > 0 && u.LimitInodes-u.UsedInodes < factor*(u.LimitInodes/fullInodesPart)
}

// Watch is what was said of the volume at Path, and when.
type Watch struct {
	Path    string
	Full    bool
	repeats int
	said    time.Time
}

// Step looks once, and prints a `dind-volume` line when the volume has become full or has room again.
func (w *Watch) Step() {
	if usage, err := Of(w.Path); err == nil {
		w.step(usage, time.Now())
	}
}

func (w *Watch) step(usage Usage, now time.Time) {
	full := usage.Full(w.Full)
	switch {
	case full != w.Full:
		w.repeats = repeatsAfter
	case !full && w.repeats == 0, now.Before(w.said.Add(repeat)):
		return
	case !full:
		w.repeats--
	}
	w.Full, w.said = full, now
	// One write, so that lines of others cannot come in between. A log that nobody reads any more is no reason to end.
	fmt.Fprintf(os.Stdout, "dind-volume {\"version\":1,\"full\":%t,\"usedBytes\":%d,\"limitBytes\":%d,\"usedInodes\":%d,\"limitInodes\":%d}\n",
		full, usage.Used, usage.Limit, usage.UsedInodes, usage.LimitInodes)
}

// Main runs `dind-node volume DIRECTORY`.
func Main(arguments []string) int {
	if len(arguments) != 1 {
		fmt.Fprintln(os.Stderr, "usage: dind-node volume DIRECTORY")
		return 2
	}
	for watch, look := (Watch{Path: arguments[0]}), periods.Get().Look; ; time.Sleep(look) {
		watch.Step()
	}
}

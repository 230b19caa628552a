package docker

import (
	"golang.org/x/sys/unix"
)

// The kernel sets the access time of a socket's file when somebody connects to it. A file that has the mark was not connected to since.
// A second after the beginning of time: no clock shows it. It is below every time of change, or the kernel would not renew it.
var marked = unix.Timespec{Sec: 1}

// Unused says whether nobody but this program has connected to the socket since it was marked.
func Unused(path string) bool {
	var about unix.Stat_t
	return unix.Stat(path, &about) == nil && about.Atim == marked
}

// Mark sets the mark.
func Mark(path string) error {
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{marked, {Nsec: unix.UTIME_OMIT}}, 0)
}

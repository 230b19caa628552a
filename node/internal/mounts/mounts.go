// Package mounts reads the table of mounts, and unmounts.
package mounts

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/logs"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Point, Type string
}

// Table returns the mounts of this process, in the order in which they were made.
func Table() []Mount {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return parse(string(text))
}

// parse leaves out lines that are none.
func parse(text string) []Mount {
	var found []Mount
	for _, line := range strings.Split(text, "\n") {
		left, right, ok := strings.Cut(line, " - ")
		// A point may have any character but a space, which is written as \040.
		fields := strings.Split(left, " ")
		if !ok || len(fields) < 5 || fields[4] == "" {
			continue
		}
		kind, _, _ := strings.Cut(right, " ")
		found = append(found, Mount{unescape(fields[4]), kind})
	}
	return found
}

// unescape reads back what the table writes as \040: spaces, tabs, line breaks and backslashes.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) && octal(text[i+1]) && octal(text[i+2]) && octal(text[i+3]) {
			out.WriteByte((text[i+1]-'0')<<6 | (text[i+2]-'0')<<3 | (text[i+3] - '0'))
			i += 3
			continue
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

func octal(char byte) bool { return char >= '0' && char <= '7' }

// Below says whether a path is the directory or in it.
func Below(path, directory string) bool {
	return path == directory || strings.HasPrefix(path, strings.TrimSuffix(directory, "/")+"/")
}

// Filesystem is the type of what is mounted at or above the path; "unknown" if nothing is.
func Filesystem(path string) string {
	return filesystem(Table(), path)
}

// filesystem takes the last mount that covers the path at the deepest point.
func filesystem(table []Mount, path string) string {
	point, kind := "", "unknown"
	for _, each := range table {
		if Below(path, each.Point) && len(each.Point) >= len(point) {
			point, kind = each.Point, each.Type
		}
	}
	return kind
}

// UnmountAll unmounts everything at or below the directory, the newest first. What cannot be unmounted stays, and is told.
func UnmountAll(directory string) {
	table := Table()
	for i := len(table) - 1; i >= 0; i-- {
		point := table[i].Point
		if !Below(point, directory) || unix.Unmount(point, unix.UMOUNT_NOFOLLOW) == nil {
			continue
		}
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			logs.Say("%s could not be unmounted: %v", point, err)
		}
	}
}

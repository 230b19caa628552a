// Package inotify says how many more inotify instances there are for the pods of this node. They are counted for each user of the node, and root of
// a user namespace counts as who made that namespace: as the node's root. Nobody says how many are in use, so some are taken for a moment.
package inotify

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// most is as many as are taken at once.
const most = 64

// Free is how many instances of as many as are asked for can be had.
func Free(count int) int {
	var taken []int
	defer func() {
		for _, each := range taken {
			unix.Close(each)
		}
	}()
	for len(taken) < count {
		instance, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			break
		}
		taken = append(taken, instance)
	}
	return len(taken)
}

// Main runs `dind-node inotify COUNT`.
func Main(arguments []string) int {
	count := 0
	if len(arguments) == 1 {
		count, _ = strconv.Atoi(arguments[0])
	}
	if count < 1 || count > most {
		fmt.Fprintln(os.Stderr, "usage: dind-node inotify COUNT")
		return 2
	}
	fmt.Println(Free(count))
	return 0
}

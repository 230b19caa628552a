package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// LockFolder locks the folder for as long as the descriptor is open; EWOULDBLOCK when somebody else has it. The lock is on the folder itself, and
// the kernel gives it back however its holder ends: a file with a name in it would outlive a crash of the node. It holds between containers, because
// they see the same folder.
func LockFolder(path string) (int, error) {
	// Not for the child: what it starts would hold the lock on.
	folder, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Flock(folder, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(folder)
		return -1, err
	}
	return folder, nil
}

// LockMain runs `dind-node lock DIRECTORY`: it says whether somebody else has the lock, by status 1.
func LockMain(arguments []string) int {
	if len(arguments) != 1 {
		fmt.Fprintln(os.Stderr, "usage: dind-node lock DIRECTORY")
		return 2
	}
	_, err := LockFolder(arguments[0])
	switch {
	case err == nil:
		return 0
	case errors.Is(err, unix.EWOULDBLOCK):
		fmt.Fprintf(os.Stderr, "%s: locked\n", arguments[0])
		return 1
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", arguments[0], err)
	return 125
}

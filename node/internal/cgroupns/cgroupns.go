// Package cgroupns runs a command in a cgroup namespace of its own: container runtimes give a privileged container none, so its own cgroup is not
// the root of what it sees.
package cgroupns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitOwn is the status of failures before the command runs.
const exitOwn = 125

// Enter makes the namespaces for this thread, which must be locked; with mounts also one of mounts, from which nothing gets out.
func Enter(mounts bool) error {
	flags := unix.CLONE_NEWCGROUP
	if mounts {
		flags |= unix.CLONE_NEWNS
	}
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("cannot make a cgroup namespace (it needs CAP_SYS_ADMIN and Linux 4.6 or later): %w", err)
	}
	if !mounts {
		return nil
	}
	// A new mount namespace still passes mounts on to where it came from, until it is made private.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	return nil
}

// Main runs `dind-node cgroupns [--mount] -- COMMAND...`.
func Main(arguments []string) int {
	mounts := len(arguments) > 0 && arguments[0] == "--mount"
	if mounts {
		arguments = arguments[1:]
	}
	if len(arguments) < 2 || arguments[0] != "--" {
		fmt.Fprintln(os.Stderr, "usage: dind-node cgroupns [--mount] -- COMMAND...")
		return 2
	}
	command := arguments[1:]
	if err := Enter(mounts); err != nil {
		fmt.Fprintf(os.Stderr, "dind-node: %v\n", err)
		return exitOwn
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		err = syscall.Exec(path, command, os.Environ())
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	fmt.Fprintf(os.Stderr, "dind-node: %s: %v\n", command[0], err)
	return exitOwn
}

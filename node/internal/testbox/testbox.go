// Package testbox runs a test in namespaces of its own, so that what it mounts and makes is nowhere else.
package testbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const inside = "DIND_TEST_INSIDE"

// plain are namespaces for mounts, network and processes.
var plain = []string{"unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"}

// UserNamespace are those of a process whose root is somebody else outside. Parts of /proc may be covered, so it stays.
var UserNamespace = []string{"unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"}

// Inside runs the test again in namespaces, after a script of /bin/sh that shapes them; it is true there. Where it is false, all is done.
func Inside(t *testing.T, script string, around ...string) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		t.Fatal("this test mounts file systems: run it as root")
	}
	parts := strings.Split(t.Name(), "/")
	for i, each := range parts {
		parts[i] = "^" + each + "$"
	}
	command := append([]string{}, plain...)
	command = append(command, "/bin/sh", "-euc", script+"\nexec \"$@\"", "sh")
	command = append(command, around...)
	command = append(command, os.Args[0], "-test.run="+strings.Join(parts, "/"), "-test.count=1")
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(os.Environ(), inside+"="+t.Name(), "DIND_TEST_BINARY="+os.Args[0], "DIND_TERMINATION_LOG=/nonexistent")
	if out, err := process.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	} else if !strings.Contains(string(out), "PASS") || strings.Contains(string(out), "no tests to run") {
		t.Fatal(fmt.Sprintf("the test did not run inside:\n%s", out))
	}
	return false
}

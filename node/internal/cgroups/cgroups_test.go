package cgroups

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"dind.dev/node/internal/cgroupns"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/security"
	"dind.dev/node/internal/testbox"
)

func TestDetect(t *testing.T) {
	for name, each := range map[string]struct {
		lines       string
		version     int
		controllers string
	}{
		"version 1":               {"3:cpuset:/\n2:memory:/a\n1:name=systemd:/\n", 1, "cpuset memory"},
		"shared hierarchies":      {"3:cpu,cpuacct:/\n2:memory:/\n1:pids:/\n", 1, "cpu cpuacct memory pids"},
		"hybrid":                  {"5:memory:/a\n4:pids:/\n1:name=systemd:/\n0::/\n", 1, "memory pids"},
		"version 2":               {"0::/kubepods/pod1\n", 2, ""},
		"a stray named hierarchy": {"1:name=systemd:/\n0::/\n", 2, ""},
		"net_cls mounted":         {"1:net_cls:/\n0::/\n", 2, ""},
		"a path with colons":      {"0::/a:memory:/b\n", 2, ""},
		"nothing":                 {"", 2, ""},
		"no lines of groups":      {"memory\n:\n", 2, ""},
	} {
		got := Detect(each.lines)
		if got.Version != each.version || strings.Join(got.Controllers, " ") != each.controllers {
			t.Errorf("%s: version %d, %q", name, got.Version, got.Controllers)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add("5:memory:/a\n4:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n")
	f.Fuzz(func(t *testing.T, text string) {
		if found := Detect(text); found.Version == 2 && found.Controllers != nil {
			t.Errorf("%q", found.Controllers)
		}
	})
}

// hierarchy2 is one of version 2 in plain files.
func hierarchy2(t *testing.T, files map[string]string) Hierarchy {
	h := Hierarchy{Version: 2, root: t.TempDir()}
	for name, text := range files {
		file := filepath.Join(h.root, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestProcessesOfNestedContainers(t *testing.T) {
	for own, want := range map[string]string{"4096": "3840", "513": "257", "512": "256", "100": "50", "max": "max"} {
		h := hierarchy2(t, map[string]string{"pids.max": own, "docker/pids.max": "max"})
		if err := h.Limit(nil); err != nil {
			t.Fatal(err)
		}
		if got := words(filepath.Join(h.root, "docker/pids.max")); len(got) != 1 || strings.TrimSpace(got[0]) != want && !strings.HasPrefix(got[0], want) {
			t.Errorf("of %s: %q", own, got)
		}
	}
}

func TestNestedLimit(t *testing.T) {
	t.Setenv("DIND_TERMINATION_LOG", "/nonexistent")
	h := hierarchy2(t, map[string]string{"memory.max": "1000"})
	for reserve, want := range map[uint64]string{
		0: "1000", 1: "999", 999: "1", 1000: "MemoryLimitTooLow", 1 << 63: "MemoryLimitTooLow",
	} {
		limit, err := h.NestedLimit(&reserve)
		got := "none"
		var failed *failure.Failure
		switch {
		case errors.As(err, &failed):
			got = failed.Reason
		case limit != nil:
			got = fmt.Sprint(*limit)
		}
		if got != want {
			t.Errorf("%d: %s", reserve, got)
		}
	}
	one := uint64(1)
	if limit, err := (&Hierarchy{Version: 2, root: t.TempDir()}).NestedLimit(&one); limit != nil || err != nil {
		t.Error("a limit without one of the container")
	}
	if limit, err := h.NestedLimit(nil); limit != nil || err != nil {
		t.Error("a limit without a reserve")
	}
}

// --- on a real tree: version 2 as far as a machine with version 1 can show it, whose unified tree has no controllers ---

// group makes a group of version 2 of the test's own, and returns what to run in it. It is removed at the end.
func group(t *testing.T) (string, string) {
	tree := "/sys/fs/cgroup/unified"
	if _, err := os.Stat(tree); err != nil {
		tree = "/sys/fs/cgroup"
	}
	path := filepath.Join(tree, fmt.Sprintf("dind-go-test-%d", os.Getpid()))
	if os.Getenv("DIND_TEST_INSIDE") == t.Name() {
		return path, ""
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range []string{"docker", "init", ""} {
			if err := os.Remove(filepath.Join(path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	return path, "echo 0 >" + path + "/cgroup.procs; mount -t tmpfs t /mnt; mkdir /mnt/cg"
}

func enter(t *testing.T) {
	runtime.LockOSThread()
	if err := cgroupns.Enter(false); err != nil {
		t.Fatal(err)
	}
}

func TestVersion2IsMountedDelegatedAndUndone(t *testing.T) {
	_, script := group(t)
	if !testbox.Inside(t, script) {
		return
	}
	enter(t)
	beside := exec.Command("sleep", "60")
	if err := beside.Start(); err != nil {
		t.Fatal(err)
	}
	h := Hierarchy{Version: 2, root: "/mnt/cg"}
	if err := h.mount2(security.Privileged, ""); err != nil {
		t.Fatal(err)
	}
	own, _ := os.ReadFile("/proc/self/cgroup")
	if !strings.Contains(string(own), "0::/init\n") {
		t.Errorf("this process is in %s", own)
	}
	if left := words("/mnt/cg/cgroup.procs"); len(left) != 0 {
		t.Errorf("processes %s stayed", left)
	}
	if inside := words("/mnt/cg/init/cgroup.procs"); len(inside) < 2 {
		t.Errorf("processes %s moved", inside)
	}
	// A second time changes nothing.
	if err := h.delegate(); err != nil {
		t.Error(err)
	}
	err := h.require()
	var failed *failure.Failure
	if errors.As(err, &failed) && !strings.HasPrefix(failed.Message, "The cgroup controller 'memory' is not available on this node (cgroup version 2 offers: ") {
		t.Error(failed.Message)
	}
	h.Undo()
	own, _ = os.ReadFile("/proc/self/cgroup")
	if !strings.Contains(string(own), "0::/\n") {
		t.Errorf("this process is in %s", own)
	}
	for _, name := range []string{"init", "docker"} {
		if _, err := os.Stat("/mnt/cg/" + name); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestARequiredControllerIsNamed(t *testing.T) {
	for _, each := range []struct {
		h     Hierarchy
		names string
	}{
		{Hierarchy{Version: 2}, "'memory' is not available on this node (cgroup version 2 offers: none)"},
		{Hierarchy{Version: 2, Controllers: []string{"memory", "pids"}}, "'cpu' is not available on this node (cgroup version 2 offers: memory pids)"},
		{Hierarchy{Version: 1, Controllers: []string{"memory", "pids", "cpu"}}, "'devices' is not available"},
		{Hierarchy{Version: 2, Controllers: []string{"memory", "pids", "cpu"}}, ""},
	} {
		text := fmt.Sprint(each.h.require())
		if each.names == "" && text != "<nil>" || !strings.Contains(text, each.names) {
			t.Errorf("%v: %s", each.h, text)
		}
	}
}

func TestAGroupThatNeverEmptiesIsGivenUp(t *testing.T) {
	// The kernel's refusal is played by a file that cannot be written: a required controller that is offered and not passed on.
	h := hierarchy2(t, map[string]string{"cgroup.controllers": "memory", "cgroup.procs": ""})
	if err := os.Mkdir(filepath.Join(h.root, "cgroup.subtree_control"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := h.delegate(); err == nil || !strings.HasPrefix(err.Error(), "memory: ") {
		t.Error(err)
	}
}

func TestMemoryLimitFile(t *testing.T) {
	for version, want := range map[int]string{1: "/groups/memory/docker/memory.limit_in_bytes", 2: "/groups/docker/memory.max"} {
		if got := (&Hierarchy{Version: version, root: "/groups"}).MemoryLimitFile(); got != want {
			t.Error(got)
		}
	}
}

// As the runtime starts a pod with `hostUsers: false`: the container's root is an unprivileged user of the node. With what `cgroup_writable` makes of
// the group the hierarchy is mounted and delegated; without, it is said what is missing.
func TestTheCgroupOfAnUnprivilegedUser(t *testing.T) {
	for _, name := range []string{"given-away", "not"} {
		t.Run(name, func(t *testing.T) {
			path, script := group(t)
			if name == "given-away" && script != "" {
				for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
					if err := os.Chown(filepath.Join(path, file), 100000, 100000); err != nil {
						t.Fatal(err)
					}
				}
			}
			script += `
mount -t tmpfs t /run; cp "$DIND_TEST_BINARY" /run/test; chmod 755 /run/test
unshare --user sleep 60 & pid=$!
until [ "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
echo "0 100000 1000" >/proc/$pid/uid_map; echo "0 100000 1000" >/proc/$pid/gid_map
ln -s /proc/$pid/ns/user /run/userns`
			around := []string{
				"nsenter", "--user=/run/userns", "unshare", "--mount", "--cgroup", "--net", "/bin/sh", "-euc",
				`mount -t tmpfs t /mnt; mkdir /mnt/cg; shift; exec /run/test "$@"`, "sh",
			}
			if !testbox.Inside(t, script, around...) {
				return
			}
			h := Hierarchy{Version: 2, root: "/mnt/cg"}
			err := h.mount2(security.UserNamespace, "")
			var failed *failure.Failure
			switch {
			case name == "given-away":
				own, _ := os.ReadFile("/proc/self/cgroup")
				if err != nil || !strings.Contains(string(own), "0::/init\n") {
					t.Errorf("%v: %s", err, own)
				}
			case !errors.As(err, &failed) || failed.Reason != "CgroupNotWritable" || !strings.Contains(failed.Message, "permission denied"):
				t.Error(err)
			}
		})
	}
}

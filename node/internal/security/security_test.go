package security

import (
	"errors"
	"os"
	"strings"
	"testing"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/testbox"
)

// reason is that of the failure; empty for none.
func reason(t *testing.T, err error) (string, string) {
	t.Helper()
	if err == nil {
		return "", ""
	}
	var found *failure.Failure
	if !errors.As(err, &found) {
		t.Fatal(err)
	}
	return found.Reason, found.Message
}

func TestRequire(t *testing.T) {
	for _, each := range []struct {
		mode    Mode
		version int
		want    string
		says    string
	}{
		{Privileged, 1, "", ""},
		{Privileged, 2, "", ""},
		{Capabilities, 1, "CgroupVersionUnsupported", "devices.allow"},
		{Capabilities, 2, "", ""},
		{UserNamespace, 1, "CgroupVersionUnsupported", "scheduling.nodeSelector"},
		{UserNamespace, 2, "UserNamespaceMissing", "its root would be the node's"},
		{"Another", 2, "SecurityModeUnknown", "as new as the operator"},
	} {
		got, message := reason(t, each.mode.Require(each.version))
		if got != each.want || !strings.Contains(message, each.says) {
			t.Errorf("%s on version %d: %s: %s", each.mode, each.version, got, message)
		}
	}
}

func TestAUserNamespaceThatWasAskedForIsOne(t *testing.T) {
	if !testbox.Inside(t, "", testbox.UserNamespace...) {
		return
	}
	if err := Mode(UserNamespace).Require(2); err != nil {
		t.Fatal(err)
	}
}

func TestACgroupThatWasNotGivenAway(t *testing.T) {
	if !testbox.Inside(t, "mount -t tmpfs t /mnt; mkdir /mnt/ro /mnt/rw; mount -t tmpfs -o ro t /mnt/ro") {
		return
	}
	got, message := reason(t, Mode(UserNamespace).CgroupWritable("/mnt/ro"))
	if got != "CgroupNotWritable" || !strings.Contains(message, "cgroup_writable = true") || !strings.Contains(message, "read-only file system") {
		t.Errorf("%s: %s", got, message)
	}
	for range 2 {
		if err := Mode(UserNamespace).CgroupWritable("/mnt/rw"); err != nil {
			t.Error(err)
		}
	}
	// Real root is told by what fails later, as ever.
	if err := Mode(Capabilities).CgroupWritable("/mnt/ro"); err != nil {
		t.Error(err)
	}
}

// covered hides a part of /proc before the user namespace is made, as the runtime does it: the kernel locks such mounts there.
const covered = "mount -t tmpfs t /proc/tty"

func TestMountsOfNestedContainers(t *testing.T) {
	for name, each := range map[string]struct {
		mode   Mode
		script string
		around []string
		want   string
	}{
		// Real root may mount it over covered parts; in a user namespace the kernel minds.
		"root":              {Capabilities, covered, nil, ""},
		"user namespace":    {UserNamespace, "", testbox.UserNamespace, ""},
		"covered and user":  {UserNamespace, covered, testbox.UserNamespace, "ProcMasked"},
		"privileged proves": {Privileged, covered, testbox.UserNamespace, ""},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			if !testbox.Inside(t, "mount -t tmpfs t /mnt; chmod 777 /mnt; "+each.script, each.around...) {
				return
			}
			got, message := reason(t, each.mode.ProveMounts("/mnt"))
			if got != each.want || got != "" && !strings.Contains(message, "procMount: Unmasked") {
				t.Errorf("%s: %s", got, message)
			}
			_, err := os.Stat("/mnt/proc/self/status")
			if mounted := err == nil; mounted != (each.want == "" && each.mode != Privileged) {
				t.Errorf("/proc is mounted: %t", mounted)
			}
		})
	}
}

const readOnly = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"

func writable(name string) bool {
	file, err := os.OpenFile("/proc/sys/"+name, os.O_WRONLY, 0)
	if err == nil {
		file.Close()
	}
	return err == nil
}

func TestOpenProcSys(t *testing.T) {
	for _, each := range []struct {
		mode      Mode
		net, core bool
	}{{Capabilities, true, false}, {Privileged, true, true}} {
		t.Run(string(each.mode), func(t *testing.T) {
			if !testbox.Inside(t, readOnly) {
				return
			}
			if writable("net/ipv4/ip_forward") || writable("kernel/core_pattern") {
				t.Fatal("they are writable before")
			}
			each.mode.OpenProcSys()
			if writable("net/ipv4/ip_forward") != each.net || writable("kernel/core_pattern") != each.core {
				t.Errorf("net %t, kernel %t", writable("net/ipv4/ip_forward"), writable("kernel/core_pattern"))
			}
		})
	}
}

func TestAWritableProcSysIsLeftAsItIs(t *testing.T) {
	if !testbox.Inside(t, "") {
		return
	}
	Mode(Capabilities).OpenProcSys()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(table), "/proc/sys ") || strings.Contains(string(table), "/proc/sys/net ") {
		t.Errorf("%v\n%s", err, table)
	}
}

package preflight

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/testbox"
)

// In a user namespace the limit is one's own to lower; that of the machine stays as it is.
func TestANodeThatRunsOutOfInotifyInstancesIsTold(t *testing.T) {
	around := append([]string{}, testbox.UserNamespace...)
	around = append(around, "/bin/sh", "-euc", `echo 3 >/proc/sys/user/max_inotify_instances; exec "$@"`, "sh")
	if !testbox.Inside(t, "", around...) {
		return
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := os.Stderr
	os.Stderr = write
	c := &check{report: newReport("Privileged")}
	c.inotify()
	os.Stderr = log
	write.Close()
	said, _ := io.ReadAll(read)
	if c.report.Inotify.Free != 3 || !strings.HasPrefix(string(said), "dind: only 3 of the node's ") || !strings.Contains(string(said), "fs.inotify.max_user_instances") {
		t.Errorf("%+v: %s", c.report.Inotify, said)
	}
}

func TestAReportFitsWhateverItHas(t *testing.T) {
	r := newReport(strings.Repeat("\x01", 5000))
	r.AppArmor.Profile, r.Storage.Driver, r.Storage.Filesystem = text(strings.Repeat("<\xff", 900)), "a\"b", "x"
	failed := failure.Of(failure.New("Storage", "DiskFull", "%s", strings.Repeat("\n", 9000)))
	r.Error = json.RawMessage(failed.JSON())
	got, err := json.Marshal(r)
	if err != nil || len(got) > 4096 {
		t.Fatalf("%d bytes: %v", len(got), err)
	}
	var back map[string]any
	if err := json.Unmarshal(got, &back); err != nil || back["storage"].(map[string]any)["driver"] != "a\"b" || back["network"] != nil {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestUsage(t *testing.T) {
	for _, arguments := range [][]string{nil, {"bogus"}, {"mount", "sh"}, {"mount", "--"}, {"preflight"}, {"preflight", "--install"}, {"preflight", "/dind"}} {
		if got := Main(arguments); got != exitUsage {
			t.Errorf("%q: %d", arguments, got)
		}
	}
}

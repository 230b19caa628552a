package limits

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]uint64{"max\n": 0, "1048576\n": 1 << 20, "9223372036854771712\n": 0, "": 0, "-1": 0, "x": 0} {
		if got := parse(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// tree is a cgroup hierarchy of plain files.
func tree(t *testing.T, limits map[string]string) follower {
	t.Helper()
	folder := t.TempDir()
	for group, limit := range limits {
		if err := os.MkdirAll(folder+group, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder+group, "memory.max"), []byte(limit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return follower{tree: hierarchy{folder, "memory.max", ""}, group: "/docker", reserve: 100, start: time.Minute}
}

func (f follower) shown(group string) uint64 { return f.tree.get(group, "memory.max") }

func TestContainersThatWereGivenTheGroupsLimitFollowIt(t *testing.T) {
	f := tree(t, map[string]string{
		"": "2000", "/docker": "900", "/docker/follows": "900", "/docker/own": "500", "/docker/buildkit/step": "900", "/docker/buildkit": "max",
		"/docker/a/b/deep": "900", "/docker/a/b": "max", "/docker/a": "max",
	})
	f.apply(2000)
	for group, want := range map[string]uint64{
		"/docker": 1900, "/docker/follows": 1900, "/docker/own": 500, "/docker/buildkit/step": 1900, "/docker/a/b/deep": 900,
	} {
		if got := f.shown(group); got != want {
			t.Errorf("%s: %d", group, got)
		}
	}
}

func TestAContainerThatStartsDuringAChangeFollowsForATime(t *testing.T) {
	f := tree(t, map[string]string{"": "2000", "/docker": "900", "/docker/late": "max"})
	f.apply(2000)
	f.tree.set("/docker/late", "memory.max", 900)
	f.applyBefore(time.Now())
	if got := f.shown("/docker/late"); got != 1900 {
		t.Error(got)
	}
	f.tree.set("/docker/late", "memory.max", 900)
	f.applyBefore(time.Now().Add(2 * time.Minute))
	if got := f.shown("/docker/late"); got != 900 {
		t.Error(got)
	}
}

func TestALimitBelowTheReserveChangesNothing(t *testing.T) {
	f := tree(t, map[string]string{"": "50", "/docker": "900"})
	f.apply(50)
	if got := f.shown("/docker"); got != 900 {
		t.Error(got)
	}
}

func TestOnlyTheLastChangesAreRemembered(t *testing.T) {
	f := tree(t, map[string]string{"": "0", "/docker": "900"})
	for limit := range uint64(20) {
		f.apply(1000 + limit)
	}
	if len(f.before) != changes {
		t.Error(len(f.before))
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"max\n", "1048576\n", "9223372036854771712\n", "-1", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := parse(text); got >= noLimit {
			t.Errorf("%q: %d", text, got)
		}
	})
}

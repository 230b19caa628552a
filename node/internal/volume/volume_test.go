package volume

import (
	"testing"
	"time"
)

const gib = 1 << 30

func TestFull(t *testing.T) {
	for _, each := range []struct {
		name          string
		usage         Usage
		before, after bool
	}{
		{"nothing known", Usage{}, false, false},
		{"half", Usage{Used: 5 * gib, Limit: 10 * gib}, false, false},
		{"less than a twentieth free", Usage{Used: 96 * gib / 10, Limit: 10 * gib}, false, true},
		{"a little more, and it was full", Usage{Used: 92 * gib / 10, Limit: 10 * gib}, true, true},
		{"a little more, and it was not", Usage{Used: 92 * gib / 10, Limit: 10 * gib}, false, false},
		{"a large one has room in a twentieth", Usage{Used: 98 * gib, Limit: 100 * gib}, false, false},
		{"a large one with less than a GiB", Usage{Used: 100*gib - 1, Limit: 100 * gib}, false, true},
		{"no files left", Usage{Used: 1, Limit: gib, UsedInodes: 99, LimitInodes: 100}, false, true},
		{"files are made as needed", Usage{Used: 1, Limit: gib}, false, false},
	} {
		if got := each.usage.Full(each.before); got != each.after {
			t.Errorf("%s: %v", each.name, got)
		}
	}
}

func TestWhatIsSaidAgain(t *testing.T) {
	empty, full := Usage{Used: 0, Limit: 10 * gib}, Usage{Used: 10 * gib, Limit: 10 * gib}
	now := time.Unix(1e9, 0)
	watch := Watch{}
	said := func(usage Usage, after time.Duration) bool {
		now = now.Add(after)
		before := watch.said
		watch.step(usage, now)
		return watch.said != before
	}
	if said(empty, 0) || said(empty, time.Hour) {
		t.Error("an empty volume is told of")
	}
	if !said(full, 0) || said(full, time.Second) || !said(full, time.Minute) {
		t.Error("a full one is told of at once, and each minute")
	}
	count := 0
	for range 30 {
		if said(empty, time.Minute) {
			count++
		}
	}
	if count != 1+repeatsAfter {
		t.Errorf("told %d times of room", count)
	}
}

func TestOfThisMachine(t *testing.T) {
	usage, err := Of(t.TempDir())
	if err != nil || usage.Limit == 0 || usage.Used > usage.Limit {
		t.Error(usage, err)
	}
}

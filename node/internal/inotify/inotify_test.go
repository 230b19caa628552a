package inotify

import "testing"

func TestItTakesNoMoreThanItIsAskedFor(t *testing.T) {
	if got := Free(1); got < 0 || got > 1 {
		t.Error(got)
	}
}

func TestUsage(t *testing.T) {
	for _, arguments := range [][]string{nil, {"0"}, {"65"}, {"few"}, {"1", "2"}, {"-1"}, {"99999999999999999999"}} {
		if got := Main(arguments); got != 2 {
			t.Errorf("%q: %d", arguments, got)
		}
	}
}

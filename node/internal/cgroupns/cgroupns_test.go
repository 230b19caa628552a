package cgroupns

import "testing"

func TestUsage(t *testing.T) {
	for _, arguments := range [][]string{nil, {"--"}, {"true"}, {"--mount"}, {"--mount", "true"}, {"--mount", "--"}} {
		if got := Main(arguments); got != 2 {
			t.Errorf("%q: %d", arguments, got)
		}
	}
}

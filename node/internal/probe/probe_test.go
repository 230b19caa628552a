package probe

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	for arguments, want := range map[string]options{
		"":                                     {timeout: 4 * time.Second, socket: "/var/run/docker.sock"},
		"/s":                                   {timeout: 4 * time.Second, socket: "/s"},
		"--timeout 0.5 --wait 3 --after /f /s": {timeout: 500 * time.Millisecond, wait: 3 * time.Second, after: "/f", socket: "/s"},
		"--after /f":                           {timeout: 4 * time.Second, after: "/f", socket: "/var/run/docker.sock"},
	} {
		if got, err := parse(strings.Fields(arguments)); err != nil || got != want {
			t.Errorf("%q: %+v %v", arguments, got, err)
		}
	}
	for _, arguments := range []string{"--timeout 0", "--timeout -1", "--timeout x", "--wait 3601", "--timeout NaN", "/s /t", "--bogus", "--timeout"} {
		if _, err := parse(strings.Fields(arguments)); err == nil {
			t.Errorf("%q is taken", arguments)
		}
	}
}

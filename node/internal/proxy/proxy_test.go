package proxy

import (
	"os"
	"testing"

	"dind.dev/node/internal/config"
)

func TestTheRangesOfNestedNetworksAreAccessedWithoutIt(t *testing.T) {
	t.Setenv("NO_PROXY", ".svc")
	t.Setenv("no_proxy", "a")
	// Variables that somebody set for dockerd alone are not for containers.
	Direct(nil, []string{"172.17.0.1/16"})
	if os.Getenv("NO_PROXY") != ".svc" || os.Getenv("no_proxy") != "a" {
		t.Error(os.Getenv("NO_PROXY"))
	}
	Direct(&config.Proxy{}, []string{"172.17.0.1/16", "172.18.0.0/16", "fd00::/64"})
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if got := os.Getenv(name); got != ".svc,172.17.0.1/16,172.18.0.0/16,fd00::/64" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

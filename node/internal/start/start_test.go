package start

import (
	"encoding/json"
	"slices"
	"testing"

	"dind.dev/node/internal/daemonjson"
)

func TestMajor(t *testing.T) {
	for version, want := range map[string]int{"28.5.2": 28, "26.1.5+dfsg1": 26, "dev": 0, "": 0, "library-import": 0, "29": 29} {
		if got := major(version); got != want {
			t.Errorf("%s: %d", version, got)
		}
	}
}

func TestWhatTheUserDecided(t *testing.T) {
	for _, each := range []struct {
		config    string
		arguments []string
		want      []string
	}{
		{`{"mtu":1400,"debug":true}`, nil, []string{"mtu"}},
		{`{"Mtu":1400}`, nil, []string{"mtu"}},
		{`{"bridge":"none","default-network-opts":{"bridge":{"mtu":"1"}}}`, nil, []string{"bip", "opts"}},
		// Not a member of daemon.json's own.
		{`{"labels":["mtu=1"],"log-opts":{"dns":"x"}}`, nil, nil},
		{`{}`, []string{"--dns=1.1.1.1", "--ipv6", "--debug", "-b", "br0", "mtu"}, []string{"bip", "dns", "ipv6"}},
		{`{}`, []string{"-Dbnone"}, []string{"bip"}},
		{`{}`, []string{"--iptables=false", "--default-address-pool=base=10.0.0.0/8,size=24"}, []string{"ipv6", "pools"}},
	} {
		var config daemonjson.Config
		if err := json.Unmarshal([]byte(each.config), &config); err != nil {
			t.Fatal(err)
		}
		got := decided(config, each.arguments)
		slices.Sort(got)
		if !slices.Equal(got, each.want) {
			t.Errorf("%s %s: %s", each.config, each.arguments, got)
		}
	}
}

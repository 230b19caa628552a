package network

import (
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func facts(near bool, ranges ...string) []Fact {
	var found []Fact
	for _, text := range ranges {
		block, err := parseBlock(text)
		if err != nil {
			panic(err)
		}
		found = append(found, Fact{block.Masked(), near, text})
	}
	return found
}

func TestRanges(t *testing.T) {
	for _, each := range []struct {
		name          string
		facts         []Fact
		bridge, first string
		none          bool
	}{
		{name: "nothing is in the way", bridge: "172.17.0.0/16", first: "172.18.0.0/16"},
		{name: "a pod near the usual range", facts: facts(true, "172.20.3.4/24"), bridge: "192.168.64.0/20", first: "192.168.0.0/20"},
		{name: "the usual bridge is named", facts: facts(false, "172.17.0.0/16"), bridge: "172.22.0.0/16", first: "172.18.0.0/16"},
		{name: "all private ranges have something", facts: facts(true, "172.17.0.1", "192.168.1.1", "10.1.1.1"), bridge: "172.22.0.0/16", first: "172.18.0.0/16"},
		{name: "all of RFC 1918 is named", facts: facts(false, "172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"), bridge: "100.123.0.0/16", first: "100.127.0.0/16"},
		{name: "everything is named", facts: facts(false, "0.0.0.0/0"), none: true},
	} {
		found, ok := choose(each.facts)
		if ok == each.none {
			t.Fatalf("%s: %v", each.name, found)
		}
		if each.none {
			continue
		}
		if found.Bridge.String() != each.bridge || found.Pools[0].String() != each.first || len(found.Pools) > maxPools {
			t.Errorf("%s: %v", each.name, found)
		}
		for _, block := range append(found.Pools, found.Bridge) {
			for _, fact := range each.facts {
				if block.Overlaps(fact.Range) {
					t.Errorf("%s: %s overlaps %s", each.name, block, fact.What)
				}
			}
		}
	}
}

func TestNameservers(t *testing.T) {
	text := "# nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.10\n nameserver\t127.0.0.53\nnameserver fe80::1%eth0\nnameserver 1.1.1.1\n"
	want := []Nameserver{{"10.0.0.10", false}, {"127.0.0.53", true}, {"fe80::1%eth0", true}}
	if got := nameservers(text); !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
}

func TestTheWayOutside(t *testing.T) {
	four, six := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	routes := []route{{four, 1, 200, 0}, {four, 2, 100, 1400}, {six, 3, 1, 0}, {netip.MustParsePrefix("10.0.0.0/8"), 4, 0, 0}}
	if best := wayOutside(routes); best.index != 2 {
		t.Error(best)
	}
	if best := wayOutside(routes[2:]); best.index != 3 {
		t.Error(best)
	}
	if best := wayOutside(nil); best != nil {
		t.Error(best)
	}
}

func TestACollisionNamesBothAndAFreeRange(t *testing.T) {
	asked := Asked{IPv6: "auto"}
	if err := asked.Pool("network.addressPools", "10.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	_, err := Choose(asked, Surroundings{Facts: facts(true, "10.1.2.3/24")}, nil)
	if err == nil || !strings.Contains(err.Error(), "spec.network.addressPools 10.0.0.0/8 overlaps 10.1.2.3/24") ||
		!strings.HasSuffix(err.Error(), "such as 172.18.0.0/16.") {
		t.Error(err)
	}
}

func TestBlocks(t *testing.T) {
	for text, good := range map[string]bool{
		"10.0.0.1": true, "10.0.0.0/8": true, "::1": true, "fd00::/8": true, "10.0.0.0/": false, "10.0.0.0/33": false, "10.0.0/8": false,
		"": false, "x": false, "fe80::1%eth0": false, "10.0.0.0/08": false, "10.0.0.0/8 ": false,
	} {
		if _, err := parseBlock(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestThisMachineCanBeRead(t *testing.T) {
	if _, err := Read(); err != nil {
		t.Error(err)
	}
}

// FuzzNetlink: whatever the messages have, nothing is read beyond them.
func FuzzNetlink(f *testing.F) {
	for _, kind := range []int{syscall.RTM_GETROUTE, syscall.RTM_GETADDR, syscall.RTM_GETLINK} {
		if data, err := syscall.NetlinkRIB(kind, syscall.AF_UNSPEC); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, err := syscall.ParseNetlinkMessage(data)
		if err != nil {
			return
		}
		linkNames(messages)
		wayOutside(readRoutes(messages))
		readAddresses(messages)
	})
}

func FuzzChoose(f *testing.F) {
	f.Add("172.17.0.0/16 10.0.0.0/8", true)
	f.Add("::/0 0.0.0.0/1", false)
	f.Fuzz(func(t *testing.T, text string, near bool) {
		var asked Asked
		for _, word := range strings.Fields(text) {
			asked.Name(word, near, "x")
		}
		choice, err := Choose(asked, Surroundings{}, nil)
		if err != nil {
			return
		}
		bridge := netip.MustParsePrefix(choice.Report.Bridge)
		for _, fact := range asked.named {
			if bridge.Overlaps(fact.Range) {
				t.Errorf("%s overlaps %s", bridge, fact.What)
			}
		}
	})
}

func FuzzNameservers(f *testing.F) {
	f.Add("nameserver 1.1.1.1\nnameserver ::1%lo")
	f.Fuzz(func(t *testing.T, text string) {
		if got := nameservers(text); len(got) > maxNameservers {
			t.Error(got)
		}
	})
}

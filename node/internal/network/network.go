package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// dockerNetworkOpts is the first major version of Docker that knows `default-network-opts`, and dockerIPv6 that with IPv6 for networks
	// without more than a switch.
	dockerNetworkOpts = 24
	dockerIPv6        = 27

	// maxFixed is how many ranges of the user are checked: as many pools as the API takes, and a bridge.
	maxFixed = 17
)

// Asked is what the spec, the installation and dockerd's version say.
type Asked struct {
	// Docker is the major version; without it nothing that depends on it is chosen.
	Docker int
	// MTU is spec.network.mtu, which is in daemon.json already.
	MTU int
	// Own are settings that are not to be chosen here: mtu, bip, pools, opts, dns, ipv6, experimental.
	Own []string
	// IPv6 is on, off or auto; IP6tables says whether the packet filter can do it.
	IPv6      string
	IP6tables bool

	bridge string
	fixed  []fixed
	// named are ranges in use that the pod does not show.
	named []Fact
}

// fixed is a range that somebody chose, and the field that has it.
type fixed struct {
	field, text string
	block       netip.Prefix
}

// Collision is why the networks cannot work; whole sentences.
type Collision string

func (c Collision) Error() string { return string(c) }

// parseBlock reads `address` or `address/length`.
func parseBlock(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no address", text)
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

func (a *Asked) owned(word string) bool { return slices.Contains(a.Own, word) }

func (a *Asked) own(word string) {
	if !a.owned(word) {
		a.Own = append(a.Own, word)
	}
}

func (a *Asked) fix(field, text string) error {
	block, err := parseBlock(text)
	if err != nil {
		return err
	}
	if len(a.fixed) == maxFixed {
		return errors.New("too many ranges")
	}
	a.fixed = append(a.fixed, fixed{field, text, block})
	return nil
}

// Bridge takes the address of the bridge that somebody chose.
func (a *Asked) Bridge(field, text string) error {
	a.bridge = text
	a.own("bip")
	return a.fix(field, text)
}

// Pool takes an address pool that somebody chose.
func (a *Asked) Pool(field, text string) error {
	a.own("pools")
	return a.fix(field, text)
}

// Name takes a range that is in use.
func (a *Asked) Name(text string, near bool, what string) error {
	block, err := parseBlock(text)
	if err != nil {
		return err
	}
	a.named = append(a.named, Fact{block.Masked(), near, what + " " + text})
	return nil
}

// Report is what was chosen, for the operator.
type Report struct {
	Interface    string   `json:"interface"`
	InterfaceMTU int      `json:"interfaceMtu"`
	MTU          int      `json:"mtu"`
	Bridge       string   `json:"bridge"`
	Pools        []string `json:"pools"`
	IPv6         bool     `json:"ipv6"`
	Forwarder    bool     `json:"forwarder"`
}

// Setting is a member of daemon.json.
type Setting struct {
	Name  string
	Value any
}

// Choice is the result.
type Choice struct {
	Report   Report
	Settings []Setting
	// Forward is the address where questions for names are handed on; none if nested containers reach the pod's nameservers.
	Forward string
}

// Choose decides. The error is a Collision.
func Choose(asked Asked, seen Surroundings, servers []Nameserver) (Choice, error) {
	facts := slices.Concat(seen.Facts, asked.named)
	for _, server := range servers {
		if block, err := parseBlock(server.Address); err == nil && !server.Here {
			facts = append(facts, Fact{block, true, "the pod's nameserver " + server.Address})
		}
	}
	ranges, found := choose(facts)
	if err := asked.collision(facts, ranges); err != nil {
		return Choice{}, err
	}
	if len(asked.fixed) > 0 {
		// What one part has been given is not for the other.
		for _, each := range asked.fixed {
			facts = append(facts, Fact{each.block.Masked(), false, each.field + " " + each.text})
		}
		ranges, found = choose(facts)
	}
	if !found && !(asked.owned("bip") && asked.owned("pools")) {
		return Choice{}, Collision("No private range is left for the daemon's bridge and networks beside what is in use and what spec.network.avoid and " +
			"the installation's clusterCIDRs name. Name less in spec.network.avoid, or choose ranges yourself in spec.network.bridgeAddress and " +
			"spec.network.addressPools.")
	}
	return asked.choice(seen, ranges, facts, servers), nil
}

// collision: nothing of what was chosen may hold an address that is somebody else's.
func (a *Asked) collision(facts []Fact, free Ranges) error {
	for _, each := range a.fixed {
		for _, fact := range facts {
			if !each.block.Overlaps(fact.Range) {
				continue
			}
			advice := ""
			if len(free.Pools) > 0 {
				advice = ", or choose one yourself, such as " + bridgeAddress(free.Bridge)
				if strings.HasSuffix(each.field, "ools") {
					advice = ", or choose one yourself, such as " + free.Pools[0].String()
				}
			}
			return Collision(fmt.Sprintf("spec.%s %s overlaps %s: nested containers could not reach what is there, and its answers would not reach them. "+
				"Leave the field out and a free range is chosen%s.", each.field, each.text, fact.What, advice))
		}
	}
	return nil
}

func (a *Asked) choice(seen Surroundings, ranges Ranges, facts []Fact, servers []Nameserver) Choice {
	mtu := seen.MTU
	if a.MTU > 0 {
		mtu = a.MTU
	} else if a.owned("mtu") {
		mtu = 0
	}
	bridge := a.bridge
	if !a.owned("bip") {
		bridge = bridgeAddress(ranges.Bridge)
	}
	pools := []string{}
	for _, each := range a.fixed {
		if strings.HasSuffix(each.field, "ools") {
			pools = append(pools, each.text)
		}
	}
	if !a.owned("pools") {
		for _, each := range ranges.Pools {
			pools = append(pools, each.String())
		}
	}
	forward := ""
	// Without a bridge whose address is known there is no place for a forwarder.
	if a.unreachable(servers) {
		forward, _, _ = strings.Cut(bridge, "/")
	}
	report := Report{seen.Interface, seen.MTU, mtu, bridge, pools, seen.IPv6, forward != ""}
	return Choice{report, a.settings(seen, ranges, facts, mtu, bridge, forward), forward}
}

// unreachable: nested containers can reach no nameserver of the pod's.
func (a *Asked) unreachable(servers []Nameserver) bool {
	for _, server := range servers {
		if !server.Here {
			return false
		}
	}
	return len(servers) > 0 && !a.owned("dns")
}

type pool struct {
	Base string `json:"base"`
	Size int    `json:"size"`
}

func (a *Asked) settings(seen Surroundings, ranges Ranges, facts []Fact, mtu int, bridge, forward string) []Setting {
	var found []Setting
	add := func(name string, value any) { found = append(found, Setting{name, value}) }
	six := a.wants6(seen)
	if mtu > 0 && a.MTU == 0 {
		add("mtu", mtu)
	}
	if a.Docker >= dockerNetworkOpts && !a.owned("opts") {
		options := map[string]string{}
		if mtu > 0 {
			options["com.docker.network.driver.mtu"] = strconv.Itoa(mtu)
		}
		if six && a.Docker >= dockerIPv6 {
			options["com.docker.network.enable_ipv6"] = "true"
		}
		if len(options) > 0 {
			add("default-network-opts", map[string]any{"bridge": options})
		}
	}
	if !a.owned("bip") {
		add("bip", bridge)
	}
	if !a.owned("pools") {
		pools := []pool{}
		for _, each := range ranges.Pools {
			// Sixteen networks of each.
			pools = append(pools, pool{each.String(), each.Bits() + 4})
		}
		add("default-address-pools", pools)
	}
	if forward != "" {
		add("dns", []string{forward})
	}
	if six {
		add("ipv6", true)
		add("ip6tables", true)
		add("fixed-cidr-v6", private6(facts))
		if a.Docker < dockerIPv6 && !a.owned("experimental") {
			add("experimental", true)
		}
	}
	return found
}

// wants6: left to itself only where Docker has it without experimental switches, and where the packet filter can do it.
func (a *Asked) wants6(seen Surroundings) bool {
	if a.owned("ipv6") || a.Docker == 0 || !a.IP6tables || a.IPv6 == "off" {
		return false
	}
	return a.IPv6 == "on" || seen.IPv6 && a.Docker >= dockerIPv6
}

// private6 is a private range of version 6 for the bridge; behind the pod's address, so that any will do that is not used around it.
func private6(facts []Fact) string {
	for i := range 256 {
		block := netip.MustParsePrefix(fmt.Sprintf("fd64:696e:64%02x::/64", i))
		if !slices.ContainsFunc(facts, func(fact Fact) bool { return block.Overlaps(fact.Range) }) {
			return block.String()
		}
	}
	return ""
}

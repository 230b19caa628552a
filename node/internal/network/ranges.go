package network

import (
	"encoding/binary"
	"net/netip"
)

// family is a private range that pools are cut from, in the order in which they are tried. Docker's own order comes first, so that a pod in
// whose surroundings nothing is in the way has the addresses that people expect: 172.17.0.1, and 172.18 and more.
type family struct {
	base           uint32
	bits           int
	from, to, step int
	size           int
}

// families are those of RFC 1918; and for whoever uses all of that, what carriers and benchmarks have (RFC 6598, RFC 2544).
var families = []family{
	// 172.16 is left to those who use the whole of the range from its beginning.
	{0xac100000, 12, 1, 15, 1, 16},  // 172.17 ... 172.31
	{0xc0a80000, 16, 0, 15, 1, 20},  // 192.168.0 ... 192.168.240
	{0x0a000000, 8, 255, 0, -1, 16}, // 10.255 ... 10.0: ranges are mostly given out from below
	{0x64400000, 10, 63, 0, -1, 16},
	{0xc6120000, 15, 0, 1, 1, 16},
}

const (
	// private is how many of the families are those of RFC 1918.
	private = 3
	// small is small enough to lie between what is in the way, and large enough for sixteen networks of 254 containers.
	small = 20
	// maxPools is how many pools dockerd is given.
	maxPools = 4
)

// usual is where people expect the bridge: the first of all.
var usual = netip.MustParsePrefix("172.17.0.0/16")

// Ranges are a bridge of the daemon and what its networks are cut from.
type Ranges struct {
	Bridge netip.Prefix
	Pools  []netip.Prefix
}

// Choose finds free ranges; false when none is left. First in families that nothing known is in: an address of the cluster says that its range is
// there, and not how far it goes. Then between what is known, in large pieces and in small ones. A bridge and one pool are the least.
func choose(facts []Fact) (Ranges, bool) {
	for pass := range 4 {
		search := search{facts: facts, size: 0}
		tried := families[:private]
		if pass == 3 {
			tried = families[private:]
		}
		if pass == 2 {
			search.size = small
		}
		for _, each := range tried {
			if pass == 0 && search.taken(prefix(each.base, each.bits), true) {
				continue
			}
			if search.all(each) {
				break
			}
		}
		if found, ok := search.result(); ok {
			return found, true
		}
	}
	return Ranges{}, false
}

type search struct {
	facts []Fact
	// size is that of the pieces in bits, where it is more than the family's own.
	size  int
	found Ranges
}

func prefix(base uint32, bits int) netip.Prefix {
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], base)
	return netip.PrefixFrom(netip.AddrFrom4(address), bits)
}

func (s *search) taken(block netip.Prefix, near bool) bool {
	for _, fact := range s.facts {
		if (fact.Near || !near) && block.Overlaps(fact.Range) {
			return true
		}
	}
	return false
}

// all takes what is free of a family; true when there is no room for more.
func (s *search) all(each family) bool {
	width := max(s.size, each.size)
	for i := each.from; ; i += each.step {
		start := each.base + uint32(i)<<(32-each.size)
		for piece := range uint32(1) << (width - each.size) {
			block := prefix(start+piece<<(32-width), width)
			if !s.taken(block, false) && s.take(block) {
				return true
			}
		}
		if i == each.to {
			return false
		}
	}
}

// take adds a block; true when there is no room for more. A bridge that cannot be at its usual place goes behind the pools, and these stay where
// they are: dockerd does not start when its bridge comes to lie on a network that an earlier daemon has left on a kept volume.
func (s *search) take(block netip.Prefix) bool {
	if block.Addr() == usual.Addr() || len(s.found.Pools) == maxPools {
		s.found.Bridge = block
	} else {
		s.found.Pools = append(s.found.Pools, block)
	}
	return len(s.found.Pools) == maxPools && s.found.Bridge.IsValid()
}

func (s *search) result() (Ranges, bool) {
	if last := len(s.found.Pools) - 1; !s.found.Bridge.IsValid() && last > 0 {
		s.found.Bridge, s.found.Pools = s.found.Pools[last], s.found.Pools[:last]
	}
	return s.found, s.found.Bridge.IsValid() && len(s.found.Pools) > 0
}

// bridgeAddress is the first address of the block, with its length, as a bridge has it.
func bridgeAddress(block netip.Prefix) string {
	return netip.PrefixFrom(block.Addr().Next(), block.Bits()).String()
}

// Package network chooses what dockerd is told of its networks where nobody chose it: the MTU of the way outside, a bridge and pools clear of
// what is in use, IPv6, and a resolver that nested containers can reach. It also says whether what somebody chose is clear of that.
package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Fact is a range that is in use. Near is set for one address or a part of a larger range, whose bounds are not known.
type Fact struct {
	Range netip.Prefix
	Near  bool
	What  string
}

// Surroundings is what the pod's network namespace shows: what a nested network must keep clear of, and the interface that leads outside.
type Surroundings struct {
	// Interface is that of the default route, empty without one, and MTU the largest packet that goes out by it.
	Interface string
	MTU       int
	// IPv6 is set when the pod has an IPv6 address that is not of one link only.
	IPv6  bool
	Facts []Fact
}

// maxFacts bounds the addresses and routes that are read; a pod has tens.
const maxFacts = 256

func (s *Surroundings) add(prefix netip.Prefix, near bool, format string, values ...any) {
	if len(s.Facts) < maxFacts {
		s.Facts = append(s.Facts, Fact{prefix, near, fmt.Sprintf(format, values...)})
	}
}

// route is what is read of one. To is a range or, of the default route, one without bits.
type route struct {
	to          netip.Prefix
	index       int
	metric, mtu uint32
}

// Read asks the kernel by netlink: /proc tells no route's MTU, and an image may lack ip(8). Bridges of an earlier daemon are in the same
// namespace and do not count.
func Read() (Surroundings, error) {
	var found Surroundings
	links, err := dump(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return found, err
	}
	names := linkNames(links)
	var routes []route
	var addresses []address
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		messages, err := dump(unix.RTM_GETROUTE, family)
		if err != nil {
			return found, err
		}
		routes = append(routes, readRoutes(messages)...)
		if messages, err = dump(unix.RTM_GETADDR, family); err != nil {
			return found, err
		}
		addresses = append(addresses, readAddresses(messages)...)
	}
	if best := wayOutside(routes); best != nil && names[best.index] != "" {
		found.Interface = names[best.index]
		found.MTU = interfaceMTU(found.Interface)
		// Some plugins leave the interface as it is and give the route what the tunnel below it takes.
		if best.mtu > 0 && int(best.mtu) < found.MTU {
			found.MTU = int(best.mtu)
		}
	}
	counts := func(index int) bool {
		name := names[index]
		return name != "" && name != "lo" && (name == found.Interface || !isBridge(name))
	}
	for _, each := range addresses {
		if linkLocal6(each.at.Addr()) || !counts(each.index) {
			continue
		}
		found.add(each.at.Masked(), true, "the pod's address %s (%s)", each.at, names[each.index])
		found.IPv6 = found.IPv6 || each.at.Addr().Is6() && each.scope == unix.RT_SCOPE_UNIVERSE
	}
	for _, each := range routes {
		if each.to.Bits() > wholeWorld && !linkLocal6(each.to.Addr()) && counts(each.index) {
			found.add(each.to.Masked(), true, "the pod's route to %s (%s)", each.to, names[each.index])
		}
	}
	return found, nil
}

// wholeWorld: a route as short as this is one of the halves that tunnels lay over the default route. That is all there is, not a range.
const wholeWorld = 1

// wayOutside is the default route with the least metric; that of IPv6 counts only where there is no other.
func wayOutside(routes []route) *route {
	var best *route
	for i := range routes {
		each := &routes[i]
		if each.to.Bits() == 0 && (best == nil || best.to.Addr().Is4() == each.to.Addr().Is4() && each.metric < best.metric) {
			best = each
		}
	}
	return best
}

// linkLocal6 is not a range of anybody's: every link has it.
func linkLocal6(address netip.Addr) bool {
	return address.Is6() && (address.IsMulticast() || address.IsLinkLocalUnicast())
}

// --- netlink ---

// dump asks for everything of a kind. A family that the kernel does not have is no error.
func dump(kind, family int) ([]syscall.NetlinkMessage, error) {
	data, err := syscall.NetlinkRIB(kind, family)
	if err != nil {
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		return nil, err
	}
	return syscall.ParseNetlinkMessage(data)
}

type attribute struct {
	kind  uint16
	value []byte
}

// attributes are those of a message behind its header. What is cut off ends them: syscall.ParseNetlinkRouteAttr would panic.
func attributes(data []byte) []attribute {
	var found []attribute
	for len(data) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(data))
		if length < unix.SizeofRtAttr || length > len(data) {
			break
		}
		found = append(found, attribute{binary.NativeEndian.Uint16(data[2:]), data[unix.SizeofRtAttr:length]})
		data = data[min(len(data), (length+3)&^3):]
	}
	return found
}

func linkNames(messages []syscall.NetlinkMessage) map[int]string {
	names := map[int]string{}
	for i := range messages {
		if messages[i].Header.Type != unix.RTM_NEWLINK || len(messages[i].Data) < unix.SizeofIfInfomsg {
			continue
		}
		index := int(int32(binary.NativeEndian.Uint32(messages[i].Data[4:])))
		for _, each := range attributes(messages[i].Data[unix.SizeofIfInfomsg:]) {
			if each.kind == unix.IFLA_IFNAME {
				names[index] = unix.ByteSliceToString(each.value)
			}
		}
	}
	return names
}

// readRoutes are the routes of the main table to one place each.
func readRoutes(messages []syscall.NetlinkMessage) []route {
	var found []route
	for i := range messages {
		about := messages[i].Data
		if messages[i].Header.Type != unix.RTM_NEWROUTE || len(about) < unix.SizeofRtMsg {
			continue
		}
		family, length, table, kind := about[0], about[1], about[4], about[7]
		if kind != unix.RTN_UNICAST || table != unix.RT_TABLE_MAIN {
			continue
		}
		to, each := unspecified(family), route{}
		for _, attribute := range attributes(about[unix.SizeofRtMsg:]) {
			switch attribute.kind {
			case unix.RTA_DST:
				to, _ = netip.AddrFromSlice(attribute.value)
			case unix.RTA_OIF:
				each.index = int(number(attribute.value))
			case unix.RTA_PRIORITY:
				each.metric = number(attribute.value)
			case unix.RTA_METRICS:
				each.mtu = metricMTU(attribute.value)
			case unix.RTA_MULTIPATH:
				// The first of several ways: length, flags, hops, and the interface.
				if len(attribute.value) >= unix.SizeofRtNexthop {
					each.index = int(number(attribute.value[4:]))
				}
			}
		}
		if each.to = netip.PrefixFrom(to, int(length)); each.to.IsValid() {
			found = append(found, each)
		}
	}
	return found
}

func unspecified(family byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// number reads a number of the kernel's; 0 if it is too short for one.
func number(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// metricMTU finds the MTU among the metrics of a route, which are attributes within an attribute.
func metricMTU(value []byte) uint32 {
	for _, each := range attributes(value) {
		if each.kind == unix.RTAX_MTU {
			return number(each.value)
		}
	}
	return 0
}

type address struct {
	at    netip.Prefix
	index int
	scope byte
}

func readAddresses(messages []syscall.NetlinkMessage) []address {
	var found []address
	for i := range messages {
		about := messages[i].Data
		if messages[i].Header.Type != unix.RTM_NEWADDR || len(about) < unix.SizeofIfAddrmsg {
			continue
		}
		var at netip.Addr
		for _, each := range attributes(about[unix.SizeofIfAddrmsg:]) {
			// The other end's, on links between two; the own one is told besides.
			if each.kind == unix.IFA_LOCAL || each.kind == unix.IFA_ADDRESS && !at.IsValid() {
				if got, ok := netip.AddrFromSlice(each.value); ok {
					at = got
				}
			}
		}
		each := address{netip.PrefixFrom(at, int(about[1])), int(int32(number(about[4:]))), about[3]}
		if each.at.IsValid() {
			found = append(found, each)
		}
	}
	return found
}

// --- interfaces ---

func interfaceMTU(name string) int {
	asked, err := unix.NewIfreq(name)
	if err != nil || control(unix.SIOCGIFMTU, asked) != nil {
		return 0
	}
	return int(asked.Uint32())
}

func control(request uint, asked *unix.Ifreq) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return unix.IoctlIfreq(socket, request, asked)
}

// isBridge asks the kernel: /sys may be that of another namespace. A bridge other than the way outside was made by a daemon: this one's
// predecessor in the same pod.
func isBridge(name string) bool {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(socket)
	about, err := unix.IoctlGetEthtoolDrvinfo(socket, name)
	return err == nil && unix.ByteSliceToString(about.Driver[:]) == "bridge"
}

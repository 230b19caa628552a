package network

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
)

// ResolvConf is where the container's nameservers are.
const ResolvConf = "/etc/resolv.conf"

// maxNameservers is how many resolvers read, in musl and glibc.
const maxNameservers = 3

// Nameserver is an address as it is written. Here is set for one of this network namespace or this link: nothing that is forwarded gets there.
type Nameserver struct {
	Address string
	Here    bool
}

// Nameservers reads those of the container.
func Nameservers() []Nameserver {
	text, err := os.ReadFile(ResolvConf)
	if err != nil {
		return nil
	}
	return nameservers(string(text))
}

func nameservers(text string) []Nameserver {
	var found []Nameserver
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() && len(found) < maxNameservers {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "nameserver" {
			found = append(found, Nameserver{fields[1], here(fields[1])})
		}
	}
	return found
}

// here: loopback of either version, or an address that is of one link only.
func here(text string) bool {
	if strings.Contains(text, "%") {
		return true
	}
	address, err := netip.ParseAddr(text)
	return err == nil && (address.IsLoopback() || address.Is6() && address.IsLinkLocalUnicast())
}

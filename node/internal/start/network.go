package start

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/daemonjson"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/network"
)

// own are the flags and keys of dockerd with which a user decides something that is chosen otherwise, in words of network.Asked.
var own = map[string]string{
	"mtu": "mtu", "bip": "bip", "bridge": "bip", "b": "bip", "fixed-cidr": "bip", "default-gateway": "bip",
	"default-address-pool": "pools", "default-address-pools": "pools", "default-network-opt": "opts", "default-network-opts": "opts",
	"dns": "dns", "ipv6": "ipv6", "ip6tables": "ipv6", "iptables": "ipv6", "fixed-cidr-v6": "ipv6",
}

// Networks chooses what nobody chose. In the init container there is no dockerd to ask for its version, which is 0 then: what depends on it is not
// chosen, and only the report is used. daemon.json and dockerd's arguments count where no operator has read them.
func Networks(asked config.Network, docker int, ip6tables bool, daemon daemonjson.Config, arguments []string) (network.Choice, error) {
	failure.Doing("Network", "NetworkUnreadable", "Reading the pod's addresses and routes")
	wanted := network.Asked{IPv6: "auto", Docker: docker, IP6tables: ip6tables}
	for _, each := range asked.Words {
		word, value, _ := strings.Cut(each, "=")
		if err := wanted.Word(word, value); err != nil {
			return network.Choice{}, fmt.Errorf("%s cannot be read: %w", each, err)
		}
	}
	if !asked.Decided {
		wanted.Own = append(wanted.Own, decided(daemon, arguments)...)
	}
	// Only a hint: some platforms put the API server's name there, and leave the other variable as it was.
	service := os.Getenv("KUBERNETES_SERVICE_HOST")
	if _, err := netip.ParseAddr(service); err != nil {
		service = os.Getenv("KUBERNETES_PORT_443_TCP_ADDR")
	}
	wanted.Word("service", service)
	wanted.Word("node", os.Getenv("DIND_NODE_ADDRESS"))
	seen, err := network.Read()
	if err != nil {
		return network.Choice{}, fmt.Errorf("the kernel does not tell addresses and routes: %w", err)
	}
	choice, err := network.Choose(wanted, seen, network.Nameservers())
	if err != nil {
		return choice, failure.New("Network", "NetworkCollision", "%v", err)
	}
	return choice, nil
}

// decided are the words of what the user decided.
func decided(daemon daemonjson.Config, arguments []string) []string {
	var words []string
	for name := range daemon {
		if word := own[name]; word != "" {
			words = append(words, word)
		}
	}
	for _, argument := range arguments {
		name, _, _ := strings.Cut(argument, "=")
		if bare := strings.TrimLeft(name, "-"); bare != name && own[bare] != "" {
			words = append(words, own[bare])
		}
	}
	return words
}

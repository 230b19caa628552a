package start

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/daemonjson"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/network"
	"dind.dev/node/internal/registry"
)

// own are the flags and keys of dockerd with which a user decides something that is chosen otherwise, in words of network.Asked.
var own = map[string]string{
	"mtu": "mtu", "bip": "bip", "bridge": "bip", "fixed-cidr": "bip", "default-gateway": "bip",
	"default-address-pool": "pools", "default-address-pools": "pools", "default-network-opt": "opts", "default-network-opts": "opts",
	"dns": "dns", "ipv6": "ipv6", "ip6tables": "ipv6", "iptables": "ipv6", "fixed-cidr-v6": "ipv6",
}

// Networks chooses what nobody chose. In the init container there is no dockerd to ask for its version, which is 0 then: what depends on it is not
// chosen, and only the report is used. daemon.json and dockerd's arguments count where no operator has read them.
func Networks(from config.Network, docker int, ip6tables bool, daemon daemonjson.Config, arguments []string) (network.Choice, error) {
	failure.Doing("Network", "NetworkUnreadable", "Reading the pod's addresses and routes")
	wanted, err := asked(from)
	if err != nil {
		return network.Choice{}, err
	}
	wanted.Docker, wanted.IP6tables = docker, ip6tables
	if from.Decided == nil {
		wanted.Own = append(wanted.Own, decided(daemon, arguments)...)
	}
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

// asked are the settings in terms of the choice.
func asked(from config.Network) (network.Asked, error) {
	wanted := network.Asked{MTU: from.MTU, IPv6: "auto", Own: append([]string{}, from.Decided...)}
	switch from.IPv6 {
	case "Enabled":
		wanted.IPv6 = "on"
	case "Disabled":
		wanted.IPv6 = "off"
	}
	var failures []error
	note := func(err error) { failures = append(failures, err) }
	if from.BridgeAddress != "" {
		note(wanted.Bridge("network.bridgeAddress", from.BridgeAddress))
	}
	if from.ConfigBridgeAddress != "" {
		note(wanted.Bridge("daemon.config.bip", from.ConfigBridgeAddress))
	}
	for _, each := range from.AddressPools {
		note(wanted.Pool("network.addressPools", each))
	}
	for _, each := range from.ConfigAddressPools {
		note(wanted.Pool("daemon.config.default-address-pools", each))
	}
	for _, each := range from.Avoid {
		note(wanted.Name(each, false, "network.avoid's"))
	}
	for _, each := range from.ClusterCIDRs {
		note(wanted.Name(each, false, "the installation's clusterCIDRs'"))
	}
	// What nobody chose is a hint: one that is no address says nothing. Some platforms put the API server's name into the first variable, and leave
	// the other one as it was.
	service := os.Getenv("KUBERNETES_SERVICE_HOST")
	if _, err := netip.ParseAddr(service); err != nil {
		service = os.Getenv("KUBERNETES_PORT_443_TCP_ADDR")
	}
	wanted.Name(service, true, "the API server's service address")
	wanted.Name(os.Getenv("DIND_NODE_ADDRESS"), true, "the node's address")
	return wanted, errors.Join(failures...)
}

// decided are the words of what the user decided.
func decided(daemon daemonjson.Config, arguments []string) []string {
	var words []string
	for name := range daemon {
		if word := own[strings.ToLower(name)]; word != "" {
			words = append(words, word)
		}
	}
	if _, given := registry.Flag(arguments, "bridge", "b"); given {
		words = append(words, "bip")
	}
	for _, argument := range arguments {
		name, _, _ := strings.Cut(argument, "=")
		if bare := strings.TrimLeft(name, "-"); bare != name && own[bare] != "" {
			words = append(words, own[bare])
		}
	}
	return words
}

// NetworkMain runs `dind-node network [-docker MAJOR] [-ip6tables]`: what would be chosen here, as JSON. With status 1 the reason is in the log.
func NetworkMain(arguments []string) int {
	flags := flag.NewFlagSet("dind-node network", flag.ContinueOnError)
	docker := flags.Int("docker", 0, "major version of dockerd")
	ip6tables := flags.Bool("ip6tables", false, "the packet filter can do IPv6")
	if flags.Parse(arguments) != nil || flags.NArg() > 0 {
		return exitUsage
	}
	from, err := config.Read()
	var choice network.Choice
	if err == nil {
		choice, err = Networks(from.Network, *docker, *ip6tables, from.DaemonConfig, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, failure.Of(err).Message)
		return 1
	}
	settings := map[string]any{}
	for _, each := range choice.Settings {
		settings[each.Name] = each.Value
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"report": choice.Report, "daemonConfig": settings, "forward": choice.Forward})
	return 0
}

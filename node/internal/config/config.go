// Package config is what the program is told: one JSON document in the variable DIND_NODE_CONFIG, from the operator or from whoever runs the image
// without one. The operator's side of it is operator/dind_operator/pod/node_config.py; the file in testdata holds both sides together.
package config

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"dind.dev/node/internal/failure"
)

// Variable has the document.
const Variable = "DIND_NODE_CONFIG"

// DefaultSocket is where dockerd listens if nobody says otherwise.
const DefaultSocket = "/var/run/docker.sock"

// Config is all of it. Every member may be absent.
type Config struct {
	// SecurityMode is spec.security.mode; Privileged if it is absent.
	SecurityMode string `json:"securityMode,omitempty"`
	// ReserveBytes is held back from nested containers.
	ReserveBytes *uint64 `json:"reserveBytes,omitempty"`
	// Socket is where dockerd listens.
	Socket string `json:"socket,omitempty"`
	// DaemonConfig is daemon.json as the operator or the user wrote it.
	DaemonConfig map[string]json.RawMessage `json:"daemonConfig,omitempty"`

	Storage  Storage  `json:"storage,omitzero"`
	Network  Network  `json:"network,omitzero"`
	Registry Registry `json:"registry,omitzero"`
	// Proxy is present where nested containers use one. Its URLs are in the usual variables.
	Proxy *Proxy `json:"proxy,omitempty"`

	// Preload are names of images.
	Preload []string `json:"preload,omitempty"`
	// CLIDirectory takes the docker CLI for the workloads.
	CLIDirectory string `json:"cliDirectory,omitempty"`
}

// Storage is spec.storage.
type Storage struct {
	// Driver is what the user chose; what it needs is dockerd's to say.
	Driver string `json:"driver,omitempty"`
	// HostDirectory is the name of the directory of the node below the prefix that the installation allows, and Owner who uses it.
	HostDirectory string `json:"hostDirectory,omitempty"`
	Owner         string `json:"owner,omitempty"`
}

// Network is spec.network. Ranges are in CIDR notation.
type Network struct {
	MTU           int      `json:"mtu,omitempty"`
	BridgeAddress string   `json:"bridgeAddress,omitempty"`
	AddressPools  []string `json:"addressPools,omitempty"`
	// Those of daemon.config.
	ConfigBridgeAddress string   `json:"configBridgeAddress,omitempty"`
	ConfigAddressPools  []string `json:"configAddressPools,omitempty"`
	// Decided are settings that the user made in daemon.config and daemon.args (network.Asked.Own). It is absent without an operator: then
	// dockerd's arguments and configuration are asked.
	Decided []string `json:"decided"`
	// IPv6 is Enabled, Disabled or absent.
	IPv6 string `json:"ipv6,omitempty"`
	// Avoid is spec.network.avoid, and ClusterCIDRs are the installation's.
	Avoid        []string `json:"avoid,omitempty"`
	ClusterCIDRs []string `json:"clusterCidrs,omitempty"`
	// FirewallBackend is Auto, Nft or Legacy; Auto if it is absent.
	FirewallBackend string `json:"firewallBackend,omitempty"`
}

// Key is a key of a Secret or ConfigMap in the environment's namespace, for messages.
type Key struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Object is the kind and the name.
func (k Key) Object() string { return k.Kind + " " + k.Name }

// Mirror is a mirror of a registry.
type Mirror struct {
	Registry string `json:"registry"`
	URL      string `json:"url"`
}

// Authority is where the certificates of a registry's authority come from.
type Authority struct {
	Registry string `json:"registry"`
	Source   Key    `json:"source"`
}

// Registry is spec.registry and spec.caBundle.
type Registry struct {
	Mirrors     []Mirror    `json:"mirrors,omitempty"`
	Insecure    []string    `json:"insecure,omitempty"`
	Authorities []Authority `json:"authorities,omitempty"`
	Trust       *Key        `json:"trust,omitempty"`
	Credentials *Key        `json:"credentials,omitempty"`
}

// Proxy is spec.network.proxy.
type Proxy struct {
	// Secret has the URLs, if they are in one.
	Secret string `json:"secret,omitempty"`
}

// Read reads the variable.
func Read() (Config, error) {
	found, err := Parse([]byte(os.Getenv(Variable)))
	if err != nil {
		return found, failure.New("Install", "NodeConfigInvalid", "The variable %s cannot be read: %v. %s", Variable, err, failure.Remedy(
			"Use an image of the node tool that is as new as the operator.", "docs/docker-in-docker-in-docker.md lists its members."))
	}
	return found, nil
}

// Parse reads a document; nothing is an empty one. Members that it does not know are refused: they would be settings without effect.
func Parse(text []byte) (Config, error) {
	var found Config
	if len(bytes.TrimSpace(text)) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&found); err != nil {
			return Config{}, err
		}
		if _, err := decoder.Token(); err != io.EOF {
			return Config{}, errMore
		}
	}
	if found.SecurityMode == "" {
		found.SecurityMode = "Privileged"
	}
	if found.Socket == "" {
		found.Socket = DefaultSocket
	}
	if found.Network.FirewallBackend == "" {
		found.Network.FirewallBackend = "Auto"
	}
	return found, nil
}

type parseError string

func (e parseError) Error() string { return string(e) }

const errMore = parseError("there is more behind the document")

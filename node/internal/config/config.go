// Package config is what the program is told: by the operator, or by whoever runs the image without one.
package config

import (
	"os"
	"strings"
)

// Key is a key of a Secret or ConfigMap in the environment's namespace, as messages name it.
type Key struct {
	Object, Key string
}

// Mirror is a mirror of a registry.
type Mirror struct {
	Registry, URL string
}

// Authority is where the certificates of a registry's authority come from.
type Authority struct {
	Registry string
	Source   Key
}

// Config is all of it. Every member may be empty.
type Config struct {
	// SecurityMode is spec.security.mode.
	SecurityMode string
	// ReserveBytes is held back from nested containers.
	ReserveBytes string
	// Socket is where dockerd listens.
	Socket string
	// DaemonConfig is daemon.json as the operator or the user wrote it.
	DaemonConfig string

	Storage  Storage
	Network  Network
	Registry Registry
	Proxy    Proxy

	// Preload are names of images, with blanks between.
	Preload string
	// CLI is the folder that takes the docker CLI for the workloads.
	CLI string
}

// Storage is spec.storage.
type Storage struct {
	// Driver is what the user chose; what it needs is dockerd's to say.
	Driver string
	// HostFolder is the folder of the node below the prefix that the installation allows, and Owner who uses it.
	HostFolder, Owner string
}

// Network is spec.network.
type Network struct {
	// Words are those of network.Asked. Decided is false without an operator: then dockerd's arguments and configuration say what is
	// the user's own.
	Words   []string
	Decided bool
	// FirewallBackend is Auto, Nft or Legacy.
	FirewallBackend string
}

// Registry is spec.registry and spec.caBundle.
type Registry struct {
	Mirrors     []Mirror
	Insecure    []string
	Authorities []Authority
	Trust       *Key
	Credentials *Key
}

// Proxy is spec.network.proxy. Secret is its name; the URLs are in the usual variables.
type Proxy struct {
	Enabled bool
	Secret  string
}

// Read reads the variables.
func Read() Config {
	words, decided := os.LookupEnv("DIND_NETWORK")
	found := Config{
		SecurityMode: either(os.Getenv("DIND_SECURITY_MODE"), "Privileged"),
		ReserveBytes: os.Getenv("DIND_RESERVE_BYTES"),
		Socket:       either(os.Getenv("DIND_SOCKET"), "/var/run/docker.sock"),
		DaemonConfig: os.Getenv("DIND_DAEMON_CONFIG"),
		Storage:      Storage{os.Getenv("DIND_STORAGE_DRIVER"), os.Getenv("DIND_HOST_FOLDER"), os.Getenv("DIND_OWNER")},
		Network:      Network{strings.Fields(words), decided, either(os.Getenv("DIND_FIREWALL_BACKEND"), "Auto")},
		Registry: Registry{
			Insecure:    strings.Fields(os.Getenv("DIND_REGISTRY_INSECURE")),
			Trust:       key(os.Getenv("DIND_CA_BUNDLE")),
			Credentials: key(os.Getenv("DIND_REGISTRY_CREDENTIALS")),
		},
		Proxy:   Proxy{os.Getenv("DIND_PROXY") != "", os.Getenv("DIND_PROXY_SECRET")},
		Preload: os.Getenv("DIND_PRELOAD"),
		CLI:     os.Getenv("DIND_CLI"),
	}
	for _, word := range strings.Fields(os.Getenv("DIND_REGISTRY_MIRRORS")) {
		registry, url, _ := strings.Cut(word, "=")
		found.Registry.Mirrors = append(found.Registry.Mirrors, Mirror{registry, url})
	}
	for _, word := range strings.Fields(os.Getenv("DIND_REGISTRY_CAS")) {
		registry, source, _ := strings.Cut(word, "=")
		if from := key(source); from != nil {
			found.Registry.Authorities = append(found.Registry.Authorities, Authority{registry, *from})
		}
	}
	return found
}

// key reads KIND/NAME/KEY; nil for nothing.
func key(text string) *Key {
	if text == "" {
		return nil
	}
	object, name := text, ""
	if end := strings.LastIndexByte(text, '/'); end >= 0 {
		object, name = text[:end], text[end+1:]
	}
	return &Key{strings.Replace(object, "/", " ", 1), name}
}

func either(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

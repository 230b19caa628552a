// Package registry has what concerns registries: authorities and credentials, as the pod's volume has them, and mirrors. A mounted path must not
// have a colon, and a registry with a port has one: so the files are linked to where dockerd and the docker CLI look. Through the links a change
// is seen at once: dockerd reads an authority at each connection, the CLI its credentials at each call.
package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/logs"
)

// fileMax is more than a Secret or a ConfigMap can have.
const fileMax = 4 << 20

// Places are where the files are and go; Usual but in tests.
type Places struct {
	// Files is the pod's volume with them.
	Files string
	// Docker is the directory of dockerd's own configuration, and Home that of the CLI.
	Docker, Home string
	// System has the certificates of public authorities, and Bundles are files with all of them, which is another one in each distribution.
	System  string
	Bundles []string
	// Builder is the configuration of builders of buildx.
	Builder string
}

// Usual are those of a container.
func Usual() Places {
	home := os.Getenv("HOME")
	if home == "" {
		home = "/root"
	}
	return Places{
		Files: "/run/dind-registry", Docker: "/etc/docker", Home: home, System: "/etc/ssl/certs",
		Bundles: []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"},
		Builder: "/etc/buildkit/buildkitd.toml",
	}
}

// Credentials is the file with them.
func (p Places) Credentials() string { return filepath.Join(p.Files, "auth/config.json") }

func (p Places) trust() string { return filepath.Join(p.Files, "trust/ca.crt") }

func (p Places) authority(registry string) string {
	return filepath.Join(p.Files, "certs.d", registry, "ca.crt")
}

// --- what there must be ---

// Check says whether every file that was asked for is there: the kubelet mounts the volume without those that are not.
func (p Places) Check(asked config.Registry) error {
	failure.Doing("Registry", "RegistryFilesMissing", "Looking at the registries' files")
	for _, each := range asked.Authorities {
		err := checkCertificates(p.authority(each.Registry), each.Source, "the certificates of the authority of the registry "+each.Registry,
			"spec.registry.caBundles")
		if err != nil {
			return err
		}
	}
	if asked.Trust != nil {
		if err := checkCertificates(p.trust(), *asked.Trust, "the certificates that the environment trusts", "spec.caBundle"); err != nil {
			return err
		}
	}
	if asked.Credentials == nil {
		return nil
	}
	return checkCredentials(read(p.Credentials()), *asked.Credentials)
}

func missing(format string, values ...any) error {
	return failure.New("Registry", "RegistryFilesMissing", format, values...)
}

// read is empty for what is not there. A volume of the kubelet's has plain files; anything else would be read for ever.
func read(file string) []byte {
	open, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer open.Close()
	if about, err := open.Stat(); err != nil || !about.Mode().IsRegular() {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(open, fileMax))
	return text
}

// hasCertificate looks for PEM's lines alone: what is between them is said by whoever needs it.
func hasCertificate(text []byte) bool {
	_, rest, begun := bytes.Cut(text, []byte("-----BEGIN CERTIFICATE-----"))
	return begun && bytes.Contains(rest, []byte("-----END CERTIFICATE-----"))
}

func checkCertificates(file string, source config.Key, what, field string) error {
	text := read(file)
	if len(text) == 0 {
		return missing("The key %s of the %s in the environment's namespace is not there, or empty. It is to hold %s: make it, or correct %s; the pod "+
			"then goes on within five minutes.", source.Key, source.Object(), what, field)
	}
	if !hasCertificate(text) {
		return missing("The key %s of the %s has no certificate. It is to hold %s as PEM: correct it; the pod then goes on within five minutes.",
			source.Key, source.Object(), what)
	}
	return nil
}

const login = "kubectl create secret docker-registry; the pod then goes on within five minutes."

func checkCredentials(text []byte, source config.Key) error {
	if len(text) == 0 {
		return missing("The key %s of the %s in the environment's namespace is not there, or empty. spec.registry.pullSecret needs a Secret of type "+
			"kubernetes.io/dockerconfigjson: make it with %s", source.Key, source.Object(), login)
	}
	var found struct {
		Auths map[string]struct {
			Auth          string `json:"auth"`
			Username      string `json:"username"`
			IdentityToken string `json:"identitytoken"`
			RegistryToken string `json:"registrytoken"`
		} `json:"auths"`
		Store   string            `json:"credsStore"`
		Helpers map[string]string `json:"credHelpers"`
	}
	// The error's text may have a part of the Secret.
	valid := json.Unmarshal(text, &found) == nil
	elsewhere := func(member string) error {
		return missing("The key %s of the %s has \"%s\", which names a program on the machine of the login, such as Docker Desktop's, and the credentials are "+
			"only there. Make the Secret with %s", source.Key, source.Object(), member, login)
	}
	usable := false
	for _, each := range found.Auths {
		usable = usable || each.Auth != "" || each.Username != "" || each.IdentityToken != "" || each.RegistryToken != ""
	}
	switch {
	// The docker CLI would ask that program for every registry, which is not here, and fail; "auths" then has names alone.
	case valid && found.Store != "":
		return elsewhere("credsStore")
	// Programs for some registries do no harm beside the credentials of others.
	case valid && found.Helpers != nil && !usable:
		return elsewhere("credHelpers")
	case !valid || found.Auths == nil:
		return missing("The key %s of the %s names no registry: it has no \"auths\". Make it with %s", source.Key, source.Object(), login)
	}
	return nil
}

// --- where they are looked for ---

// Link links them to there.
func (p Places) Link(asked config.Registry) error {
	failure.Doing("Daemon", "RegistryFilesNotLinked", "Linking the registries' files")
	for _, each := range asked.Authorities {
		if err := p.linkAuthority(each.Registry, "ca.crt", p.authority(each.Registry)); err != nil {
			return err
		}
		if asked.Trust != nil {
			if err := p.linkAuthority(each.Registry, "environment.crt", p.trust()); err != nil {
				return err
			}
		}
		// For Docker Hub dockerd looks into no directory of certificates, unless it has the containerd image store.
		if each.Registry == "docker.io" {
			if err := p.trustEverywhere("dind-docker.io.crt", p.authority(each.Registry)); err != nil {
				return err
			}
		}
	}
	if asked.Trust != nil {
		// Of registries without a directory of their own, for Docker 28 and later: read at each connection, unlike the system's.
		if err := p.linkAuthority("_default", "ca.crt", p.trust()); err != nil {
			return err
		}
		if err := p.trustEverywhere("dind-environment.crt", p.trust()); err != nil {
			return err
		}
	}
	if asked.Credentials == nil {
		return nil
	}
	return link(p.Credentials(), filepath.Join(p.Home, ".docker/config.json"))
}

func (p Places) linkAuthority(registry, name, file string) error {
	return link(file, filepath.Join(p.Docker, "certs.d", registry, name))
}

// link replaces what is in the place.
func link(target, place string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, place)
}

// trustEverywhere makes a file trusted like a public authority. Go reads every file of the directory; git and others one file with all of them.
func (p Places) trustEverywhere(name, file string) error {
	if err := link(file, filepath.Join(p.System, name)); err != nil {
		return err
	}
	for _, bundle := range p.Bundles {
		text, err := os.ReadFile(bundle)
		if err != nil {
			continue
		}
		if err := os.WriteFile(bundle, withSection(text, name, read(file)), 0o644); err != nil {
			logs.Say("%s cannot be written: git and other programs do not trust the authorities of %s", bundle, name)
		}
	}
	return nil
}

// withSection appends a section with that name; what an earlier start of the same container has appended goes first.
func withSection(text []byte, name string, section []byte) []byte {
	begin, end := "# "+name, "# end of "+name
	var kept bytes.Buffer
	inside := false
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		inside = inside || line == begin
		if !inside {
			kept.WriteString(line + "\n")
		}
		inside = inside && line != end
	}
	fmt.Fprintf(&kept, "%s\n%s\n%s\n", begin, bytes.TrimRight(section, "\n"), end)
	return kept.Bytes()
}

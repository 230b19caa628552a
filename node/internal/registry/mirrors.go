package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/daemonjson"
	"dind.dev/node/internal/failure"
)

// Mirrors of registries are for pulls and builds of every Docker. daemon.json has those of Docker Hub, which is all that an image store other than
// containerd's knows. From version 28 on, builds and the containerd image store read a hosts.toml for each registry; before it, builds read
// daemon.json in a way of their own. A builder of buildx has a file of its own, which is made here, too.

// hub is the name of Docker Hub.
const hub = "docker.io"

// The first major versions of Docker that read a hosts.toml, and that have the containerd image store by default.
const (
	hostsSince = 28
	storeSince = 29
)

// Docker is what is known of the daemon.
type Docker struct {
	// Version is as dockerd says it, and Major its first number: 0 counts as the newest.
	Version string
	Major   int
	// Arguments are those that it gets.
	Arguments []string
	// Volume is where it keeps images.
	Volume string
}

func (d Docker) before(major int) bool { return d.Major != 0 && d.Major < major }

// mirror is a URL in its parts; the path has no slash at its end.
type mirror struct {
	scheme, host, path string
}

func split(url string) mirror {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		rest = url
	}
	host, path, has := strings.Cut(rest, "/")
	if has {
		path = "/" + path
	}
	return mirror{scheme, host, strings.TrimRight(path, "/")}
}

func (m mirror) url() string { return m.scheme + "://" + m.host + m.path }

// plain is one without TLS.
func (m mirror) plain() bool { return m.scheme == "http" }

// withPort is the host with its port, for a URL with http: a program that is told only the host would use 443.
func (m mirror) withPort() string {
	if m.plain() && (strings.HasSuffix(m.host, "]") || !strings.Contains(m.host, ":")) {
		return m.host + ":80"
	}
	return m.host
}

// mirrors are the registries' settings with the places of their files.
type mirrors struct {
	config.Registry
	places Places
}

// registries that have mirrors, sorted.
func (m mirrors) registries() []string {
	var found []string
	for _, each := range m.Mirrors {
		found = append(found, each.Registry)
	}
	return sorted(found)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// of are the mirrors of a registry in their order. With and without a slash at the end a URL is the same, and a file may have it only once.
func (m mirrors) of(registry string) []mirror {
	var found []mirror
	for _, each := range m.Mirrors {
		if one := split(each.URL); each.Registry == registry && !slices.Contains(found, one) {
			found = append(found, one)
		}
	}
	return found
}

func (m mirrors) insecure(host string) bool { return slices.Contains(m.Insecure, host) }

// authorities are the files with those of a host.
func (m mirrors) authorities(host string) []string {
	var found []string
	if slices.ContainsFunc(m.Authorities, func(each config.Authority) bool { return each.Registry == host }) {
		found = append(found, m.places.authority(host))
	}
	if m.Trust != nil {
		found = append(found, m.places.trust())
	}
	return found
}

// quoted is a list of strings in TOML, which JSON's are.
func quoted(values []string) string {
	text := daemonjson.Encode(values)
	return strings.ReplaceAll(string(text), `","`, `", "`)
}

// --- Docker 28 and later ---

// WriteHosts writes a hosts.toml for each registry with mirrors.
func (p Places) WriteHosts(asked config.Registry) error {
	failure.Doing("Daemon", "RegistryFilesNotLinked", "Writing the mirrors of registries")
	m := mirrors{asked, p}
	for _, registry := range m.withHosts() {
		file := filepath.Join(p.Docker, "certs.d", registry, "hosts.toml")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(m.hosts(registry)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// withHosts: dockerd compares the mirrors of Docker Hub with ranges of insecure addresses only where there is no file for it.
func (m mirrors) withHosts() []string {
	ranges := slices.ContainsFunc(m.Insecure, func(host string) bool { return strings.Contains(host, "/") })
	return slices.DeleteFunc(m.registries(), func(registry string) bool { return registry == hub && ranges })
}

func (m mirrors) hosts(registry string) string {
	var text strings.Builder
	authorities := func(host string) {
		if files := m.authorities(host); len(files) > 0 {
			fmt.Fprintf(&text, "ca = %s\n", quoted(files))
		}
	}
	// With http and a setting of TLS, https is tried first: what an insecure registry is to dockerd.
	if m.insecure(registry) {
		fmt.Fprintf(&text, "server = \"http://%s\"\nskip_verify = true\n", registry)
	}
	authorities(registry)
	for _, each := range m.of(registry) {
		fmt.Fprintf(&text, "\n[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", each.url())
		if each.plain() {
			continue
		}
		if m.insecure(each.host) {
			text.WriteString("skip_verify = true\n")
		}
		authorities(each.host)
	}
	return text.String()
}

// Require says whether this daemon uses mirrors of other registries than Docker Hub: they need builds and pulls by the containerd image store, the
// default from version 29 on for a volume without images of another store.
func Require(asked config.Registry, daemon daemonjson.Config, docker Docker) error {
	others := slices.DeleteFunc(mirrors{Registry: asked}.registries(), func(registry string) bool { return registry == hub })
	if len(others) == 0 {
		return nil
	}
	failure.Doing("Daemon", "MirrorsUnsupported", "Checking the image store for mirrors")
	refused := func(why, remedy string) error {
		return failure.New("Daemon", "MirrorsUnsupported", "registry.mirrorsFor has mirrors of %s, but %s. %s, or remove registry.mirrorsFor.",
			strings.Join(others, ", "), why, remedy)
	}
	if docker.before(hostsSince) {
		return refused("Docker "+docker.Version+" knows only mirrors of docker.io", "Use an image with Docker 29 in daemon.image")
	}
	var features map[string]json.RawMessage
	daemon.Read("features", &features)
	switch string(features["containerd-snapshotter"]) {
	case "true":
		return nil
	case "false":
		return refused("features.containerd-snapshotter is false in daemon.config", "Remove it")
	}
	if docker.before(storeSince) {
		return refused("docker pull of Docker "+docker.Version+" uses them only with the containerd image store",
			"Set features.containerd-snapshotter to true in daemon.config, or use Docker 29")
	}
	var driver string
	daemon.Read("storage-driver", &driver)
	if flag, given := Flag(docker.Arguments, "storage-driver", "s"); given {
		driver = flag
	}
	graph := []string{"overlay2", "fuse-overlayfs", "btrfs", "zfs"}
	if slices.Contains(append(graph, "vfs"), driver) {
		return refused("with the storage driver "+driver+" dockerd does not use the containerd image store",
			"Remove the storage driver from daemon.config and daemon.args")
	}
	for _, name := range graph {
		if inside, _ := os.ReadDir(filepath.Join(docker.Volume, name)); len(inside) > 0 {
			return refused("the volume has images of the storage driver "+name+", so dockerd does not use the containerd image store",
				"Use an empty volume, or set features.containerd-snapshotter to true in daemon.config")
		}
	}
	return nil
}

// Flag finds the value of a flag of dockerd's by its long or its short name, whether it stands behind it or in the next argument, and behind -D, which
// has no value. The last one counts.
func Flag(arguments []string, long, short string) (value string, given bool) {
	for i, argument := range arguments {
		name, text, has := strings.Cut(argument, "=")
		if bare := strings.TrimLeft(name, "-"); bare == name || bare != long {
			if short == "" || strings.HasPrefix(argument, "--") || !strings.HasPrefix(argument, "-") {
				continue
			}
			rest, is := strings.CutPrefix(strings.TrimLeft(argument[1:], "D"), short)
			if !is {
				continue
			}
			text, has = strings.TrimPrefix(rest, "="), rest != ""
		}
		if !has && i+1 < len(arguments) {
			text = arguments[i+1]
		}
		value, given = text, true
	}
	return value, given
}

// --- Docker before 28 ---

// ForOldBuilds changes daemon.json. Builds take only host and path of a mirror, put the path behind /v2, and use https unless the host with its port
// is an insecure registry; pulls put /v2 behind the path. So a mirror with a path is listed twice, each time for one of them, and one with http is
// an insecure registry, too.
func ForOldBuilds(asked config.Registry, daemon daemonjson.Config, docker Docker) {
	if !docker.before(hostsSince) {
		return
	}
	var listed, urls, plain []string
	daemon.Read("registry-mirrors", &listed)
	for _, url := range listed {
		if !slices.Contains(asked.Mirrors, config.Mirror{Registry: hub, URL: url}) {
			urls = append(urls, url)
			continue
		}
		one := split(url)
		both := mirror{one.scheme, one.withPort(), one.path}
		urls = append(urls, both.url())
		if one.path != "" {
			urls = append(urls, both.scheme+"://"+both.host+"/.."+both.path+"/v2")
		}
		if one.plain() && !slices.Contains(asked.Insecure, both.host) && !slices.Contains(plain, both.host) {
			plain = append(plain, both.host)
		}
	}
	if len(urls) > 0 {
		daemon.Set("registry-mirrors", urls)
	}
	// dockerd refuses a setting that is both a flag and a key.
	if _, given := Flag(docker.Arguments, "insecure-registry", ""); given || len(plain) == 0 {
		return
	}
	var insecure []string
	daemon.Read("insecure-registries", &insecure)
	daemon.Set("insecure-registries", append(plain, insecure...))
}

// --- builders of buildx with the driver docker-container ---

// WriteBuilder writes a file that BuildKit reads, and that buildx takes for every builder that the CLI of this container creates, with the files it
// names.
func (p Places) WriteBuilder(asked config.Registry) error {
	text := mirrors{asked, p}.builder()
	if text == "" {
		return nil
	}
	failure.Doing("Daemon", "RegistryFilesNotLinked", "Writing the configuration of builders")
	if err := os.MkdirAll(filepath.Dir(p.Builder), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(p.Builder, []byte(text), 0o644); err != nil {
		return err
	}
	return link(p.Builder, filepath.Join(p.Home, ".docker/buildx/buildkitd.default.toml"))
}

func (m mirrors) builder() string {
	var text strings.Builder
	for _, host := range m.builderHosts() {
		fmt.Fprintf(&text, "[registry.%q]\n", host)
		var list []string
		for _, each := range m.of(host) {
			one := each.withPort()
			if each.path != "" {
				// BuildKit puts the path behind /v2.
				one += "/.." + each.path + "/v2"
			}
			list = append(list, one)
		}
		if len(list) > 0 {
			fmt.Fprintf(&text, "  mirrors = %s\n", quoted(list))
		}
		plain := slices.ContainsFunc(m.Mirrors, func(each config.Mirror) bool {
			one := split(each.URL)
			return one.plain() && one.withPort() == host
		})
		switch {
		case plain:
			text.WriteString("  http = true\n")
		case m.insecure(host):
			text.WriteString("  http = true\n  insecure = true\n")
		}
		if files := m.authorities(host); len(files) > 0 {
			fmt.Fprintf(&text, "  ca = %s\n", quoted(files))
		}
	}
	return text.String()
}

func (m mirrors) builderHosts() []string {
	var found []string
	if m.Trust != nil {
		found = append(found, hub)
	}
	for _, each := range m.Authorities {
		found = append(found, each.Registry)
	}
	for _, host := range m.Insecure {
		if !strings.Contains(host, "/") {
			found = append(found, host)
		}
	}
	for _, each := range m.Mirrors {
		found = append(found, each.Registry, split(each.URL).withPort())
	}
	return sorted(found)
}

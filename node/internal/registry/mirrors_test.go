package registry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/daemonjson"
)

func asked() config.Registry {
	return config.Registry{
		Mirrors: []config.Mirror{
			{Registry: "docker.io", URL: "http://plain.example.com"}, {Registry: "docker.io", URL: "https://tls.example.com:5000/a/b/"},
			{Registry: "ghcr.io", URL: "https://tls.example.com:5000/ghcr"}, {Registry: "r.example.com:5000", URL: "http://[fd00::1]:80"},
		},
		Insecure: []string{"r.example.com:5000", "10.0.0.0/8", "plain.example.com:80"},
		Authorities: []config.Authority{
			{Registry: "tls.example.com:5000", Source: config.Key{Kind: "ConfigMap", Name: "a", Key: "ca.crt"}},
			{Registry: "ghcr.io", Source: config.Key{Kind: "Secret", Name: "b", Key: "ca.crt"}},
		},
	}
}

func trusting() config.Registry {
	all := asked()
	all.Trust = &config.Key{Kind: "ConfigMap", Name: "all", Key: "ca.crt"}
	return all
}

func hub2(urls ...string) config.Registry {
	var all config.Registry
	for _, url := range urls {
		all.Mirrors = append(all.Mirrors, config.Mirror{Registry: "docker.io", URL: url})
	}
	return all
}

func TestHosts(t *testing.T) {
	const ca = "/run/dind-registry/certs.d/tls.example.com:5000/ca.crt"
	for _, each := range []struct {
		asked          config.Registry
		registry, want string
	}{
		{asked(), "docker.io", `
[host."http://plain.example.com"]
capabilities = ["pull", "resolve"]

[host."https://tls.example.com:5000/a/b"]
capabilities = ["pull", "resolve"]
ca = ["` + ca + `"]
`},
		{asked(), "ghcr.io", `ca = ["/run/dind-registry/certs.d/ghcr.io/ca.crt"]

[host."https://tls.example.com:5000/ghcr"]
capabilities = ["pull", "resolve"]
ca = ["` + ca + `"]
`},
		{asked(), "r.example.com:5000", `server = "http://r.example.com:5000"
skip_verify = true

[host."http://[fd00::1]:80"]
capabilities = ["pull", "resolve"]
`},
		// The environment's bundle is trusted everywhere but over http.
		{trusting(), "docker.io", `ca = ["/run/dind-registry/trust/ca.crt"]

[host."http://plain.example.com"]
capabilities = ["pull", "resolve"]

[host."https://tls.example.com:5000/a/b"]
capabilities = ["pull", "resolve"]
ca = ["` + ca + `", "/run/dind-registry/trust/ca.crt"]
`},
		// TOML has no table twice; two URLs that differ only in slashes at the end are the same.
		{hub2("https://m/a/", "https://n", "https://m/a", "https://n/", "https://m/a//"), "docker.io", `
[host."https://m/a"]
capabilities = ["pull", "resolve"]

[host."https://n"]
capabilities = ["pull", "resolve"]
`},
		{config.Registry{Mirrors: hub2("https://m:5000").Mirrors, Insecure: []string{"m:5000"}}, "docker.io", `
[host."https://m:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true
`},
	} {
		if got := (mirrors{each.asked, Usual()}).hosts(each.registry); got != each.want {
			t.Errorf("%s:\n%s\nbut not\n%s", each.registry, got, each.want)
		}
	}
}

func TestRangesOfInsecureAddressesStayDockerdsOwnMatter(t *testing.T) {
	m := mirrors{Registry: asked()}
	if got := m.withHosts(); !slices.Equal(got, []string{"ghcr.io", "r.example.com:5000"}) {
		t.Error(got)
	}
	m.Insecure = []string{"plain.example.com:80"}
	if got := m.withHosts(); !slices.Equal(got, []string{"docker.io", "ghcr.io", "r.example.com:5000"}) {
		t.Error(got)
	}
}

func TestABuilderHasMirrorsAndAuthoritiesInTheWordsOfBuildKit(t *testing.T) {
	const trust = "  ca = [\"/run/dind-registry/trust/ca.crt\"]\n"
	want := `[registry."[fd00::1]:80"]
  http = true
` + trust + `[registry."docker.io"]
  mirrors = ["plain.example.com:80", "tls.example.com:5000/../a/b/v2"]
` + trust + `[registry."ghcr.io"]
  mirrors = ["tls.example.com:5000/../ghcr/v2"]
  ca = ["/run/dind-registry/certs.d/ghcr.io/ca.crt", "/run/dind-registry/trust/ca.crt"]
[registry."plain.example.com:80"]
  http = true
` + trust + `[registry."r.example.com:5000"]
  mirrors = ["[fd00::1]:80"]
  http = true
  insecure = true
` + trust + `[registry."tls.example.com:5000"]
  ca = ["/run/dind-registry/certs.d/tls.example.com:5000/ca.crt", "/run/dind-registry/trust/ca.crt"]
`
	if got := (mirrors{trusting(), Usual()}).builder(); got != want {
		t.Errorf("%s\nbut not\n%s", got, want)
	}
	if got := (mirrors{}).builder(); got != "" {
		t.Error(got)
	}
}

// daemon reads a configuration, and old is what becomes of it.
func daemon(t *testing.T, text string) daemonjson.Config {
	t.Helper()
	var found daemonjson.Config
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func old(t *testing.T, asked config.Registry, major int, text string, arguments ...string) map[string][]string {
	t.Helper()
	config := daemon(t, text)
	ForOldBuilds(asked, config, Docker{Major: major, Arguments: arguments})
	found := map[string][]string{}
	if err := json.Unmarshal(daemonjson.Encode(config), &found); err != nil {
		t.Fatal(err)
	}
	for _, each := range found {
		slices.Sort(each)
	}
	return found
}

func TestBuildsBeforeDocker28(t *testing.T) {
	const given = `{"registry-mirrors":["http://plain.example.com","https://tls.example.com:5000/a/b/","https://other"]}`
	plain, tls := "http://plain.example.com", "https://tls.example.com:5000/a/b/"
	for major, want := range map[int][]string{
		28: {plain, tls, "https://other"},
		0:  {plain, tls, "https://other"},
		26: {plain + ":80", "https://tls.example.com:5000/a/b", "https://tls.example.com:5000/../a/b/v2", "https://other"},
	} {
		slices.Sort(want)
		found := old(t, asked(), major, given)
		if !slices.Equal(found["registry-mirrors"], want) || len(found) != 1 {
			t.Errorf("%d: %s", major, found)
		}
	}
}

func TestOnlyBuildsBeforeDocker28NeedAMirrorWithoutTLSToBeInsecure(t *testing.T) {
	all := hub2("http://m:5000", "http://m:5000/a", "http://[fd00::1]/", "https://tls.example.com")
	all.Mirrors = append(all.Mirrors, config.Mirror{Registry: "ghcr.io", URL: "http://other"})
	const listed = `"registry-mirrors":["http://m:5000","http://m:5000/a","http://[fd00::1]/","https://tls.example.com"]`
	for insecure, want := range map[string][]string{
		"":                                    {"[fd00::1]:80", "m:5000"},
		`,"insecure-registries":[]`:           {"[fd00::1]:80", "m:5000"},
		`,"insecure-registries":["r"]`:        {"[fd00::1]:80", "m:5000", "r"},
		`,"insecure-registries":["r","m:50"]`: {"[fd00::1]:80", "m:50", "m:5000", "r"},
	} {
		found := old(t, all, 26, "{"+listed+insecure+"}", "--debug")
		if !slices.Equal(found["insecure-registries"], want) {
			t.Errorf("%s: %s", insecure, found)
		}
	}
	all.Insecure = []string{"m:5000"}
	if found := old(t, all, 26, "{"+listed+`,"insecure-registries":["m:5000"]}`); len(found["insecure-registries"]) != 2 {
		t.Error(found)
	}
	for _, major := range []int{28, 0} {
		if found := old(t, all, major, "{"+listed+"}"); len(found["insecure-registries"]) > 0 {
			t.Errorf("%d: %s", major, found)
		}
	}
	// dockerd takes a setting from one place.
	for _, flag := range []string{"--insecure-registry=r", "-insecure-registry"} {
		if found := old(t, all, 26, "{"+listed+"}", flag); len(found["insecure-registries"]) > 0 {
			t.Errorf("%s: %s", flag, found)
		}
	}
}

func TestRequire(t *testing.T) {
	for _, each := range []struct {
		version, config, arguments, says string
	}{
		{"26.1.5", "{}", "", "Docker 26.1.5 knows only mirrors of docker.io. Use an image with Docker 29"},
		{"28.5.2", "{}", "", "only with the containerd image store. Set features.containerd-snapshotter to true"},
		{"29.0.0", `{"features": {"containerd-snapshotter": false}}`, "", "is false in daemon.config. Remove it"},
		{"29.0.0", `{"storage-driver":"overlay2"}`, "", "with the storage driver overlay2"},
		{"29.0.0", "{}", "--storage-driver=vfs", "with the storage driver vfs"},
		{"29.0.0", "{}", "--storage-driver zfs", "with the storage driver zfs"},
		{"29.0.0", "{}", "-s btrfs --debug", "with the storage driver btrfs"},
		{"28.5.2", `{"features":{"containerd-snapshotter":true}}`, "", ""},
		{"29.0.0", `{"storage-driver":"overlayfs"}`, "", ""},
		{"29.0.0", "{}", "--debug", ""},
		// Of a version that is no release: the newest.
		{"", "{}", "", ""},
		{"dev", `{"storage-driver":"overlay2"}`, "", "with the storage driver overlay2"},
	} {
		config := daemon(t, each.config)
		docker := Docker{each.version, 0, strings.Fields(each.arguments), t.TempDir()}
		if len(each.version) > 3 {
			docker.Major = int(each.version[0]-'0')*10 + int(each.version[1]-'0')
		}
		err := Require(asked(), config, docker)
		switch {
		case each.says == "" && err != nil:
			t.Errorf("%v: %v", each, err)
		case each.says != "" && (err == nil || !strings.Contains(err.Error(), each.says) ||
			!strings.HasPrefix(err.Error(), "registry.mirrorsFor has mirrors of ghcr.io, r.example.com:5000, but")):
			t.Errorf("%v: %v", each, err)
		}
		if err := Require(hub2("https://m.example.com"), config, docker); err != nil {
			t.Errorf("the mirrors of Docker Hub need nothing: %v", err)
		}
	}
}

func TestAVolumeWithImagesOfAnotherStoreIsRefused(t *testing.T) {
	volume := t.TempDir()
	os.Mkdir(filepath.Join(volume, "overlay2"), 0o755)
	if err := Require(asked(), daemonjson.Config{}, Docker{"29.0.0", 29, nil, volume}); err != nil {
		t.Error(err)
	}
	os.WriteFile(filepath.Join(volume, "overlay2/layer"), nil, 0o644)
	err := Require(asked(), daemonjson.Config{}, Docker{"29.0.0", 29, nil, volume})
	if err == nil || !strings.Contains(err.Error(), "the volume has images of the storage driver overlay2") {
		t.Error(err)
	}
}

func TestFlag(t *testing.T) {
	for _, each := range []struct {
		arguments, value string
		given            bool
	}{
		{"--storage-driver=a", "a", true}, {"--storage-driver a", "a", true}, {"-s a", "a", true}, {"-s=a", "a", true},
		{"-sa", "a", true}, {"-Ds a", "a", true}, {"-DDsa", "a", true}, {"-D", "", false}, {"-D s", "", false}, {"--s=a", "", false},
		{"--storage-driver", "", true}, {"--storage-drivers=a", "", false}, {"storage-driver=a", "", false}, {"--", "", false}, {"", "", false},
		{"--storage-driver=a -s b", "b", true},
	} {
		value, given := Flag(strings.Fields(each.arguments), "storage-driver", "s")
		if value != each.value || given != each.given {
			t.Errorf("%s: %q, %t", each.arguments, value, given)
		}
	}
	if _, given := Flag([]string{"--"}, "insecure-registry", ""); given {
		t.Error("an argument without a name has the empty one")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("https://tls.example.com:5000/a/b/")
	f.Add("http://[fd00::1]")
	f.Fuzz(func(t *testing.T, url string) {
		one := split(url)
		again := split(one.url())
		if strings.Contains(url, "://") && one != again {
			t.Errorf("%q: %v, and once more %v", url, one, again)
		}
		one.withPort()
	})
}

package registry

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dind.dev/node/internal/config"
)

// places are in a directory of the test's own, with files as the kubelet makes them.
func places(t *testing.T, files map[string]string) Places {
	folder := t.TempDir()
	p := Places{
		Files: filepath.Join(folder, "files"), Docker: filepath.Join(folder, "docker"), Home: filepath.Join(folder, "home"),
		System: filepath.Join(folder, "system"), Builder: filepath.Join(folder, "buildkit/buildkitd.toml"),
		Bundles: []string{filepath.Join(folder, "system/ca-certificates.crt"), filepath.Join(folder, "none")},
	}
	files["../system/ca-certificates.crt"] = "public\n"
	for name, text := range files {
		file := filepath.Join(p.Files, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func text(t *testing.T, file string) string {
	t.Helper()
	found, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(found)
}

func TestFilesAreLinkedToWhereDockerdAndTheCLILook(t *testing.T) {
	const registry = "r.example.com:5000"
	p := places(t, map[string]string{"certs.d/" + registry + "/ca.crt": "authority", "auth/config.json": "{}"})
	all := config.Registry{Authorities: []config.Authority{{Registry: registry}}, Credentials: &config.Key{}}
	for range 2 {
		if err := p.Link(all); err != nil {
			t.Fatal(err)
		}
	}
	if got := text(t, p.Docker+"/certs.d/"+registry+"/ca.crt"); got != "authority" {
		t.Error(got)
	}
	// A change is seen at once.
	os.WriteFile(p.Credentials(), []byte("changed"), 0o644)
	if got := text(t, p.Home+"/.docker/config.json"); got != "changed" {
		t.Error(got)
	}
}

// Also what is trusted for Docker Hub: without the containerd image store dockerd looks nowhere else.
func TestWhatTheEnvironmentTrustsIsInTheSystemsStoreOnce(t *testing.T) {
	p := places(t, map[string]string{"certs.d/docker.io/ca.crt": "hub", "trust/ca.crt": "all\n"})
	all := config.Registry{Authorities: []config.Authority{{Registry: "docker.io"}}, Trust: &config.Key{}}
	for range 2 {
		if err := p.Link(all); err != nil {
			t.Fatal(err)
		}
	}
	want := "public\n# dind-docker.io.crt\nhub\n# end of dind-docker.io.crt\n# dind-environment.crt\nall\n# end of dind-environment.crt\n"
	if got := text(t, p.Bundles[0]); got != want {
		t.Errorf("%s", got)
	}
	for name, want := range map[string]string{
		p.System + "/dind-environment.crt": "all\n", p.System + "/dind-docker.io.crt": "hub",
		p.Docker + "/certs.d/_default/ca.crt": "all\n", p.Docker + "/certs.d/docker.io/ca.crt": "hub",
		p.Docker + "/certs.d/docker.io/environment.crt": "all\n",
	} {
		if got := text(t, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := os.Stat(p.Bundles[1]); err == nil {
		t.Error("a bundle was made where there was none")
	}
}

func TestHostsAndBuilderAreWritten(t *testing.T) {
	p := places(t, map[string]string{})
	all := hub2("https://m")
	if err := p.WriteHosts(all); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteBuilder(all); err != nil {
		t.Fatal(err)
	}
	if got := text(t, p.Docker+"/certs.d/docker.io/hosts.toml"); !strings.Contains(got, `[host."https://m"]`) {
		t.Error(got)
	}
	if got := text(t, p.Home+"/.docker/buildx/buildkitd.default.toml"); !strings.Contains(got, `mirrors = ["m"]`) {
		t.Error(got)
	}
}

// A workload or an earlier container can reach none of these files; but a pipe in their place would be waited for.
func TestAPipeInThePlaceOfAFileIsNotWaitedFor(t *testing.T) {
	p := places(t, map[string]string{"auth/other": ""})
	if err := syscall.Mkfifo(p.Credentials(), 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- p.Check(config.Registry{Credentials: &config.Key{Kind: "Secret", Name: "login", Key: "x"}})
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "is not there, or empty") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits")
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"auths":{"r":{"auth":"eDp5"}},"credsStore":""}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		err := checkCredentials(content, config.Key{Kind: "Secret", Name: "login", Key: ".dockerconfigjson"})
		if err != nil && len(content) > 20 && strings.Contains(err.Error(), string(content)) {
			t.Error("the message has the Secret")
		}
	})
}

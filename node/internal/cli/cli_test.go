package cli

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dind.dev/node/internal/failure"
)

// image is a daemon's image: programs in a PATH of its own, and the folder for workloads.
func image(t *testing.T, scripts map[string]string) (bin, out string) {
	bin, out = filepath.Join(t.TempDir(), "bin"), t.TempDir()
	os.Mkdir(bin, 0o755)
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pluginFolders = []string{filepath.Join(bin, "lib")}
	t.Setenv("PATH", bin)
	return bin, out
}

const static = "echo 'not a dynamic executable' >&2; exit 1"

func TestADynamicProgramRunsFromTheCopyAlone(t *testing.T) {
	path := os.Getenv("PATH")
	bin, out := image(t, nil)
	if err := os.Symlink("/bin/ls", filepath.Join(bin, "docker")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+path)
	if err := Offer(out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib/libc.so.6", "lib/loader", "bin/docker"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	// It is the loader of the copy that starts it: without it nothing does.
	t.Setenv("PATH", "/nonexistent")
	if told, err := exec.Command(filepath.Join(out, "docker"), "-d", "/").Output(); string(told) != "/\n" {
		t.Errorf("%q, %v", told, err)
	}
	os.Remove(filepath.Join(out, "lib/loader"))
	if exec.Command(filepath.Join(out, "docker"), "-d", "/").Run() == nil {
		t.Error("it runs without its loader")
	}
}

func TestAStaticProgramIsCopiedAsItIsAndOnce(t *testing.T) {
	bin, out := image(t, map[string]string{"ldd": static, "docker": "echo Docker version 28"})
	os.MkdirAll(filepath.Join(bin, "lib/docker/cli-plugins"), 0o755)
	os.WriteFile(filepath.Join(bin, "lib/docker/cli-plugins/docker-buildx"), []byte("plugin"), 0o755)
	// What a killed container has half copied.
	os.MkdirAll(filepath.Join(out, "cli-plugins"), 0o755)
	os.WriteFile(filepath.Join(out, "cli-plugins/docker-half"), []byte("#!/bin/"), 0o755)
	if err := Offer(out); err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(filepath.Join(out, "docker"))
	if string(first) != "#!/bin/sh\necho Docker version 28\n" {
		t.Errorf("%s", first)
	}
	if plugin, _ := os.ReadFile(filepath.Join(out, "cli-plugins/docker-buildx")); string(plugin) != "plugin" {
		t.Errorf("%s", plugin)
	}
	if _, err := os.Stat(filepath.Join(out, "cli-plugins/docker-half")); err == nil {
		t.Error("the half is still there")
	}
	// A second start of the daemon leaves what workloads may be using.
	os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\necho second\n"), 0o755)
	if err := Offer(out); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(filepath.Join(out, "docker")); string(again) != string(first) {
		t.Errorf("%s", again)
	}
}

func TestRefusals(t *testing.T) {
	for says, scripts := range map[string]map[string]string{
		"lacks docker or ldd in PATH":                                  {"ldd": static},
		"or set workloads.dockerCli to false":                          {"docker": "exit 1"},
		"does not run when it is copied: nothing works (exit status 5": {"ldd": static, "docker": "echo nothing works; exit 5"},
	} {
		_, out := image(t, scripts)
		err := Offer(out)
		var failed *failure.Failure
		if !errors.As(err, &failed) || failed.Reason != "DockerCliNotFound" || !strings.Contains(failed.Message, says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if err := Offer(""); err != nil {
		t.Errorf("nobody asked for it: %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, each := range []struct {
		told, loader string
		libraries    map[string]string
	}{
		{"\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n", "/lib64/ld-linux-x86-64.so.2",
			map[string]string{"libc.so.6": "/lib/libc.so.6"}},
		{"\t/lib/ld-musl-x86_64.so.1 (0x1)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x1)\n", "/lib/ld-musl-x86_64.so.1",
			map[string]string{"libc.musl-x86_64.so.1": "/lib/ld-musl-x86_64.so.1"}},
		{"\t/lib64/ld-linux.so.2 => /usr/lib64/ld-2.so (0x1)\n", "/usr/lib64/ld-2.so", map[string]string{}},
		{"", "", map[string]string{}},
	} {
		loader, libraries := parse(each.told)
		if loader != each.loader || !maps.Equal(libraries, each.libraries) {
			t.Errorf("%q: %s, %v", each.told, loader, libraries)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n")
	f.Fuzz(func(t *testing.T, told string) { parse(told) })
}

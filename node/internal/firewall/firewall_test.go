package firewall

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var versions = map[string]string{"nft": "(nf_tables)", "legacy": "(legacy)"}

// program is an iptables of a kind that refuses to append to the tables of `broken` (a pattern of the shell), and notes its calls.
func program(t *testing.T, folder, name, version, broken string) {
	t.Helper()
	text := `#!/bin/sh
echo "${0##*/} $*" >>` + filepath.Join(folder, "calls") + `
case "$1 $4 $5" in
-V*) echo "iptables v1.8.11 ` + version + `" ;;
"-w ` + broken + ` "*) echo "can't initialize iptables table" >&2; exit 3 ;;
esac
`
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// image is a folder with an nft and a legacy iptables; the name without a kind is that of `own`.
func image(t *testing.T, own, brokenNft, brokenLegacy string) string {
	t.Helper()
	folder := t.TempDir()
	for _, family := range []string{"iptables", "ip6tables"} {
		program(t, folder, family+"-nft", versions["nft"], brokenNft)
		program(t, folder, family+"-legacy", versions["legacy"], brokenLegacy)
		program(t, folder, family+"-nft-save", versions["nft"], brokenNft)
		for _, end := range []string{"-restore", "-nft-restore", "-legacy-restore"} {
			if err := os.WriteFile(filepath.Join(folder, family+end), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(family+"-"+own, filepath.Join(folder, family)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	return folder
}

func TestTheBackend(t *testing.T) {
	for _, each := range []struct {
		name                         string
		own, brokenNft, brokenLegacy string
		asked                        Asked
		kind, told, refused          string
	}{
		{name: "the image's own", own: "nft"},
		{name: "one that lists and cannot append", own: "nft", brokenNft: "nat", kind: "legacy", told: "iptables-legacy does: using that"},
		{name: "the same the other way round", own: "legacy", brokenLegacy: "filter", kind: "nft", told: "iptables-nft does: using that"},
		{name: "neither", own: "nft", brokenNft: "nat", brokenLegacy: "nat", told: "dockerd will say why. iptables: table nat: can't initialize iptables table; iptables-legacy: table nat: can't initialize iptables table"},
		{name: "only one has the table raw", own: "nft", brokenNft: "raw", kind: "legacy", told: "table raw"},
		{name: "neither has the table raw", own: "nft", brokenNft: "raw", brokenLegacy: "raw", refused: "set the variable DOCKER_INSECURE_NO_IPTABLES_RAW to 1 in daemon.env"},
		{name: "no table raw for a Docker that does without", own: "nft", brokenNft: "raw", brokenLegacy: "raw", asked: Asked{Docker: 27}},
		{name: "asked for and there", own: "nft", asked: Asked{Backend: "Legacy"}, kind: "legacy", told: "using iptables-legacy, as network.firewallBackend asks"},
		{name: "asked for and the image's own", own: "nft", asked: Asked{Backend: "Nft"}, told: "using iptables-nft"},
		{name: "asked for and broken", own: "nft", brokenLegacy: "nat", asked: Asked{Backend: "Legacy"}, refused: "iptables-legacy does not work here: table nat: can't initialize"},
		{name: "turned off in daemon.json", own: "nft", brokenNft: "*", brokenLegacy: "*", asked: Asked{Config: []byte(`{"iptables":false}`)}},
		{name: "turned off by an argument", own: "nft", brokenNft: "*", brokenLegacy: "*", asked: Asked{Arguments: []string{"--iptables=false"}}},
		{name: "nftables instead", own: "nft", brokenNft: "*", brokenLegacy: "*", asked: Asked{Arguments: []string{"--firewall-backend", "nftables"}}},
		{name: "IPv6 asked for and not to be had", own: "nft", brokenNft: "nat", brokenLegacy: "nat", asked: Asked{IPv6: true}, told: "neither", refused: "network.ipv6 is Enabled, and ip6tables does not work here: table nat"},
	} {
		t.Run(each.name, func(t *testing.T) {
			image(t, each.own, each.brokenNft, each.brokenLegacy)
			each.asked.Folder = t.TempDir()
			if each.asked.Backend == "" {
				each.asked.Backend = "Auto"
			}
			choice, err := Choose(each.asked)
			var refused Refused
			if errors.As(err, &refused) != (each.refused != "") || !strings.Contains(string(refused), each.refused) {
				t.Fatalf("refused: %v", err)
			}
			want := ""
			if each.kind != "" {
				want = filepath.Join(each.asked.Folder, "iptables-"+each.kind)
			}
			if choice.Path != want {
				t.Errorf("path %q", choice.Path)
			}
			if told := strings.Join(choice.Told, "\n"); !strings.Contains(told, each.told) || (each.told == "") != (told == "") {
				t.Errorf("told %q", told)
			}
			if want != "" {
				if text, err := (filter{path: want}).run("iptables", "-V"); err != nil || !strings.Contains(text, versions[each.kind]) {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
}

func TestEachRuleIsDeletedAgain(t *testing.T) {
	folder := image(t, "nft", "", "")
	choice, err := Choose(Asked{Backend: "Auto", Folder: t.TempDir()})
	if err != nil || !choice.IPv6 {
		t.Fatal(choice, err)
	}
	calls, _ := os.ReadFile(filepath.Join(folder, "calls"))
	text := string(calls)
	if strings.Count(text, " -A ") != 6 || strings.Count(text, " -D ") != 6 {
		t.Error(text)
	}
}

func TestAllTablesAreTriedInOneCallWhereTheImageCanDoThat(t *testing.T) {
	folder := image(t, "nft", "", "")
	for _, family := range []string{"iptables", "ip6tables"} {
		text := "#!/bin/sh\ncat >" + filepath.Join(folder, family+"-input") + "\n"
		if err := os.WriteFile(filepath.Join(folder, family+"-restore"), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if choice, err := Choose(Asked{Backend: "Auto", Folder: t.TempDir()}); err != nil || !choice.IPv6 || choice.Path != "" {
		t.Error(choice, err)
	}
	calls, _ := os.ReadFile(filepath.Join(folder, "calls"))
	if text := string(calls); strings.Count(text, " -S") != 2 || strings.Contains(text, " -A ") {
		t.Error(text)
	}
	input, _ := os.ReadFile(filepath.Join(folder, "iptables-input"))
	if strings.Count(string(input), "COMMIT") != 6 || !strings.Contains(string(input), "*raw\n-D PREROUTING -i lo -j RETURN\nCOMMIT\n") {
		t.Error(string(input))
	}
	// What dockerd calls is the other program.
	for _, family := range []string{"iptables", "ip6tables"} {
		os.Remove(filepath.Join(folder, family))
		if err := os.Symlink("/bin/false", filepath.Join(folder, family)); err != nil {
			t.Fatal(err)
		}
	}
	choice, err := Choose(Asked{Backend: "Auto", Folder: t.TempDir()})
	if err != nil || choice.Path == "" {
		t.Error(choice, err)
	}
	os.Remove(filepath.Join(folder, "iptables"))
	os.Symlink("iptables-nft", filepath.Join(folder, "iptables"))
	if choice, err := Choose(Asked{Backend: "Auto", Folder: t.TempDir()}); err != nil || choice.Path != "" || choice.IPv6 {
		t.Error(choice, err)
	}
}

func TestAnImageWithoutIptables(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if choice, err := Choose(Asked{Backend: "Auto"}); err != nil || choice.Path != "" || choice.IPv6 {
		t.Error(choice, err)
	}
	if _, err := Choose(Asked{Backend: "Nft"}); err == nil || !strings.Contains(err.Error(), "has no iptables in PATH") {
		t.Error(err)
	}
}

func TestCapabilitiesAreThoseOfThisProcess(t *testing.T) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "CapEff:")
	effective, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for number := range 64 {
		if got, want := capable(number), effective>>number&1 == 1; got != want {
			t.Errorf("capability %d: %v", number, got)
		}
	}
}

func FuzzOff(f *testing.F) {
	f.Add([]byte(`{"iptables":false}`), "--firewall-backend\nnftables")
	f.Add([]byte(`{"iptables":"x"}`), "-\n--\n--iptables=\n--iptables")
	f.Fuzz(func(t *testing.T, config []byte, arguments string) {
		Asked{Config: config, Arguments: strings.Split(arguments, "\n")}.off()
	})
}

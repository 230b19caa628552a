// Package firewall chooses the backend of iptables. iptables speaks to one of two interfaces of the kernel, nf_tables or the older one,
// and modules cannot be loaded from a pod: one of them may be missing, or let itself be read and not written. So a rule is really
// appended and deleted in each table that dockerd uses, in the pod's own network, before dockerd does it.
package firewall

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// rawSince is the first major version of Docker with a rule in the table raw for each container that has a network.
	rawSince = 28
	// noRaw is the variable with which dockerd does without that table.
	noRaw = "DOCKER_INSECURE_NO_IPTABLES_RAW"

	// alpineLegacy is where Alpine's Docker images keep the older programs.
	alpineLegacy = "/usr/local/sbin/.iptables-legacy"
)

// rules are one for each table, with the matches that dockerd uses. They change nothing for the time that they are there.
var rules = []struct {
	table string
	rule  []string
}{
	{"nat", []string{"OUTPUT", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "RETURN"}},
	{"filter", []string{"FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "RETURN"}},
	{"raw", []string{"PREROUTING", "-i", "lo", "-j", "RETURN"}},
}

// Asked is what the choice depends on.
type Asked struct {
	// Backend is Auto, Nft or Legacy: spec.network.firewallBackend.
	Backend string
	// Folder takes links to the programs of a backend that is not the image's own.
	Folder string
	// Docker is dockerd's major version; 0 counts as the newest.
	Docker int
	// IPv6 is set when spec.network.ipv6 is Enabled.
	IPv6 bool
	// Config is daemon.json, and Arguments are dockerd's: both may turn iptables off.
	Config    []byte
	Arguments []string
	// Kubelet is set where a kubelet reads what went wrong: there is a spec to correct.
	Kubelet bool
}

// Choice is the result.
type Choice struct {
	// Path is a folder to put first in PATH; none if it is empty.
	Path string
	// IPv6 says whether ip6tables works, too.
	IPv6 bool
	// Told are lines for the log.
	Told []string
}

// Refused is an error whose text is for the user: dockerd would not start, or not work.
type Refused string

func (r Refused) Error() string { return string(r) }

// Choose tries the backends. The error is a Refused, or one of the system's.
func Choose(asked Asked) (Choice, error) {
	if asked.off() {
		return Choice{}, nil
	}
	own := filter{path: os.Getenv("PATH"), raw: asked.raw()}
	if own.program("iptables") == "" {
		if asked.Backend != "Auto" {
			return Choice{}, Refused(fmt.Sprintf("network.firewallBackend is %s, and the daemon's image has no iptables in PATH (%s). "+
				"Use another daemon.image, or leave firewallBackend out.", asked.Backend, own.path))
		}
		return Choice{}, nil
	}
	// Each change waits for the kernel: both families at once take half the time.
	six := make(chan error, 1)
	go func() { six <- own.works("ip6tables") }()
	choice, taken, err := asked.choose(own)
	failure := <-six
	if err != nil {
		return choice, err
	}
	if choice.Path != "" {
		failure = taken.works("ip6tables")
	}
	choice.IPv6 = failure == nil
	if asked.IPv6 && failure != nil {
		return choice, Refused(fmt.Sprintf("network.ipv6 is Enabled, and ip6tables does not work here: %v. The node's kernel must have "+
			"its tables; or leave ipv6 out.", failure))
	}
	return choice, nil
}

func (a Asked) choose(own filter) (Choice, filter, error) {
	if a.Backend != "Auto" {
		return a.take(own)
	}
	failure := own.works("iptables")
	if failure == nil {
		return Choice{}, own, nil
	}
	failures := []string{fmt.Sprintf("iptables: %v", failure)}
	is := own.kind()
	for _, kind := range []string{"legacy", "nft"} {
		if kind == is {
			continue
		}
		other, folder, err := own.of(kind, a.Folder)
		if err != nil {
			return Choice{}, own, err
		}
		if folder == "" {
			continue
		}
		again := other.works("iptables")
		if again == nil {
			return Choice{Path: folder, Told: []string{fmt.Sprintf("iptables of the image does not work with this kernel (%v), iptables-%s "+
				"does: using that", failure, kind)}}, other, nil
		}
		failures = append(failures, fmt.Sprintf("iptables-%s: %v", kind, again))
	}
	var table tableError
	if errors.As(failure, &table) && table.table == "raw" {
		return Choice{}, own, Refused(fmt.Sprintf("The table raw of iptables does not work here (%s), and without it Docker %d and later starts no "+
			"container with a network. Load the module iptable_raw on the node. Or set the variable %s to 1 in daemon.env: Docker then does not "+
			"block packets from outside to the addresses of nested containers.", strings.Join(failures, "; "), rawSince, noRaw))
	}
	return Choice{Told: []string{a.neither(failures)}}, own, nil
}

// neither is for the log: dockerd ends with a message of its own, unless it was told to do without.
func (a Asked) neither(failures []string) string {
	if capable(unix.CAP_NET_ADMIN) {
		return "neither iptables nor iptables-legacy of the image works here: dockerd will say why. " + strings.Join(failures, "; ")
	}
	remedy := "Start it with --privileged, or with --cap-add=NET_ADMIN."
	if a.Kubelet {
		remedy = "Check security.mode and the node's policy."
	}
	return "iptables does not work here, because this container lacks the capability NET_ADMIN, and dockerd will not start without. " + remedy
}

// take uses the backend that was asked for, and nothing else.
func (a Asked) take(own filter) (Choice, filter, error) {
	kind := strings.ToLower(a.Backend)
	choice, taken := Choice{}, own
	if own.kind() != kind {
		other, folder, err := own.of(kind, a.Folder)
		if err != nil {
			return choice, own, err
		}
		if folder == "" || other.kind() != kind {
			return choice, own, Refused(fmt.Sprintf("network.firewallBackend is %s, and the daemon's image has no iptables-%s in PATH (%s). "+
				"Use another daemon.image, or leave firewallBackend out.", a.Backend, kind, own.path))
		}
		choice.Path, taken = folder, other
	}
	if failure := taken.works("iptables"); failure != nil {
		return Choice{}, own, Refused(fmt.Sprintf("network.firewallBackend is %s, and iptables-%s does not work here: %v. The node's kernel must "+
			"have that interface; choose the other one, or leave firewallBackend out.", a.Backend, kind, failure))
	}
	choice.Told = []string{fmt.Sprintf("using iptables-%s, as network.firewallBackend asks", kind)}
	return choice, taken, nil
}

// raw says whether dockerd uses the table of that name.
func (a Asked) raw() bool {
	return (a.Docker == 0 || a.Docker >= rawSince) && os.Getenv(noRaw) != "1"
}

// off says whether dockerd was told to do without iptables.
func (a Asked) off() bool {
	var config struct {
		Iptables *bool  `json:"iptables"`
		Backend  string `json:"firewall-backend"`
	}
	// What is no JSON, or has other types, dockerd will refuse.
	if json.Unmarshal(a.Config, &config) == nil && (config.Iptables != nil && !*config.Iptables || config.Backend == "nftables") {
		return true
	}
	for i, argument := range a.Arguments {
		name, value, given := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if !strings.HasPrefix(argument, "-") {
			continue
		}
		if name == "firewall-backend" && !given && i+1 < len(a.Arguments) {
			value = a.Arguments[i+1]
		}
		off, err := strconv.ParseBool(value)
		if name == "iptables" && given && err == nil && !off || name == "firewall-backend" && value == "nftables" {
			return true
		}
	}
	return false
}

// filter are the programs of one backend, as PATH leads to them.
type filter struct {
	path string
	raw  bool
}

// program is the file of a program; none if PATH has none.
func (f filter) program(name string) string {
	for _, folder := range filepath.SplitList(f.path) {
		file := filepath.Join(folder, name)
		if about, err := os.Stat(file); err == nil && !about.IsDir() && about.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// run returns what went wrong, in the program's words.
func (f filter) run(name string, arguments ...string) (string, error) {
	file := f.program(name)
	if file == "" {
		return "", fmt.Errorf("there is no %s in PATH", name)
	}
	command := exec.Command(file, arguments...)
	// Some find their other half by PATH.
	command.Env = append(os.Environ(), "PATH="+f.path)
	out, err := command.CombinedOutput()
	text := strings.Join(strings.Fields(string(out)), " ")
	if err != nil && text == "" {
		text = err.Error()
	}
	return text, err
}

// tableError is a table that cannot be used.
type tableError struct {
	table, text string
}

func (t tableError) Error() string { return fmt.Sprintf("table %s: %s", t.table, t.text) }

// works appends and deletes a rule in each table: in one call for all of them, and where that fails in one call for each, to say which it is.
func (f filter) works(program string) error {
	// Of the same backend, and so beside it.
	restore := f.program(program + "-restore")
	if restore != "" && filepath.Dir(restore) == filepath.Dir(f.program(program)) && f.restore(restore) == nil {
		// dockerd calls the other program.
		if _, err := f.run(program, "-w", "5", "-t", "nat", "-S"); err == nil {
			return nil
		}
	}
	for _, each := range rules {
		if each.table == "raw" && !f.raw {
			continue
		}
		for _, action := range []string{"-A", "-D"} {
			arguments := append([]string{"-w", "5", "-t", each.table, action}, each.rule...)
			if text, err := f.run(program, arguments...); err != nil {
				return tableError{each.table, text}
			}
		}
	}
	return nil
}

// restore does it with a program, given as a path, that reads from its input. Each COMMIT is a change in the kernel of its own.
func (f filter) restore(program string) error {
	var input strings.Builder
	for _, each := range rules {
		if each.table == "raw" && !f.raw {
			continue
		}
		for _, action := range []string{"-A", "-D"} {
			fmt.Fprintf(&input, "*%s\n%s %s\nCOMMIT\n", each.table, action, strings.Join(each.rule, " "))
		}
	}
	command := exec.Command(program, "-w", "5", "--noflush")
	command.Env = append(os.Environ(), "PATH="+f.path)
	command.Stdin = strings.NewReader(input.String())
	return command.Run()
}

// kind is nft or legacy, as iptables calls itself. One of before there were two names none of them: it is the older.
func (f filter) kind() string {
	text, err := f.run("iptables", "-V")
	switch {
	case err != nil:
		return ""
	case strings.Contains(text, "nf_tables"):
		return "nft"
	}
	return "legacy"
}

// of is the backend of that kind with the folder that leads to it: links in a folder of its own. No folder if the image has none.
func (f filter) of(kind, parent string) (filter, string, error) {
	folder := alpineLegacy
	if about, err := os.Stat(alpineLegacy + "/iptables"); kind != "legacy" || err != nil || about.Mode()&0o111 == 0 {
		folder = filepath.Join(parent, "iptables-"+kind)
		made, err := f.link(kind, folder)
		if err != nil || !made {
			return f, "", err
		}
	}
	f.path = folder + ":" + f.path
	return f, folder, nil
}

// link fills the folder with links such as iptables-save to iptables-legacy-save; false if the image has none of them.
func (f filter) link(kind, folder string) (bool, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false, err
	}
	made := false
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			program := f.program(family + "-" + kind + end)
			if program == "" {
				continue
			}
			place := filepath.Join(folder, family+end)
			os.Remove(place)
			if err := os.Symlink(program, place); err != nil {
				return made, err
			}
			made = true
		}
	}
	return made, nil
}

// capable says whether this process has a capability.
func capable(number int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[number/32].Effective&(1<<(number%32)) != 0
}

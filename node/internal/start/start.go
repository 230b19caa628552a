// Package start is the command of the daemon's container, `entrypoint`: it makes a container that can run dockerd, then becomes `dind-node init`
// with dockerd below it. It needs nothing from an earlier container: not this run's init container, not a fresh directory, not a clean /var/run.
// Unlike the entrypoint of the stock image it never opens TCP that was not asked for. Its arguments go to dockerd.
package start

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/cgroupns"
	"dind.dev/node/internal/cgroups"
	"dind.dev/node/internal/cli"
	"dind.dev/node/internal/config"
	"dind.dev/node/internal/daemonjson"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/firewall"
	"dind.dev/node/internal/jsontext"
	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/network"
	"dind.dev/node/internal/proxy"
	"dind.dev/node/internal/registry"
	"dind.dev/node/internal/security"
	"dind.dev/node/internal/storage"
)

const (
	// private is of this container alone, unlike the socket's directory, which may be shared.
	private = "/run/dind-private"
	// OverlayWorks is a file beside the program: the init container has proved it a moment ago on the same volume, which takes a second on a
	// busy disk.
	OverlayWorks = "overlay-works"

	// validateSince is the first major version of Docker that can be asked about its configuration.
	validateSince = 23
	versionMax    = 256
	exitUsage     = 2
	defaultPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	ended         = 128 + int(unix.SIGTERM)
)

// start is one run.
type start struct {
	config config.Config
	// unread is why the configuration cannot be read.
	unread    error
	mode      security.Mode
	arguments []string
	docker    registry.Docker
	groups    cgroups.Hierarchy
	limit     *uint64
	daemon    daemonjson.Config
	network   network.Choice
	places    registry.Places
	// check is the look at the volume, which a signal removes.
	lock  sync.Mutex
	check *storage.Check
}

// Main runs `entrypoint [ARGUMENT...]`.
func Main(arguments []string) int {
	// The kernel gives PID 1 no signal that it has no handler for: the pod would wait for its whole grace period.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	if os.Getenv("PATH") == "" {
		os.Setenv("PATH", defaultPath)
	}
	s := &start{arguments: arguments, places: registry.Usual()}
	s.config, s.unread = config.Read()
	// It may hold a registry's or proxy's secrets: not for the environment of everything this starts.
	os.Unsetenv(config.Variable)
	s.mode = security.Mode(s.config.SecurityMode)
	go func() {
		<-signals
		s.removeCheck()
		os.Exit(ended)
	}()
	command, err := s.prepare()
	if err == nil {
		failure.Doing("Daemon", "DaemonNotRunnable", "Starting dockerd")
		var program string
		if program, err = os.Executable(); err == nil {
			err = syscall.Exec(program, command, os.Environ())
		}
	}
	s.removeCheck()
	told := failure.Of(err)
	logs.Say("%s", told.Message)
	failure.Terminate(fmt.Sprintf(`{"version":1,"docker":%s,"exitCode":1,"error":%s}`, version(s.docker.Version), told.JSON()))
	return 1
}

func (s *start) removeCheck() {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.check.Remove()
}

// version is one in JSON; null while it is not known.
func version(text string) string {
	if text == "" {
		return "null"
	}
	return `"` + jsontext.EscapeFirst(text, versionMax) + `"`
}

// prepare returns the command to go on with.
func (s *start) prepare() ([]string, error) {
	if err := s.askVersion(); err != nil {
		return nil, err
	}
	if s.unread != nil {
		return nil, s.unread
	}
	s.complete()
	if err := s.mountGroups(); err != nil {
		return nil, err
	}
	s.mode.OpenProcSys()
	filter := s.startFirewall()
	defer filter.wait()
	flag, err := s.volume()
	if err != nil {
		return nil, err
	}
	s.removeStalePIDs()
	packets, err := filter.result()
	if err != nil {
		return nil, err
	}
	if s.network, err = Networks(s.config.Network, s.docker.Major, packets.IPv6, s.daemon, s.arguments); err != nil {
		return nil, err
	}
	if s.network.Forward != "" {
		logs.Say("the pod's nameservers are on its loopback or link: nested containers are given %s, where their questions are handed on", s.network.Forward)
	}
	if err := s.files(); err != nil {
		return nil, err
	}
	if flag != "" {
		s.docker.Arguments = append([]string{flag}, s.arguments...)
	}
	if err := s.writeConfig(); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	if err := cli.Offer(s.config.CLIDirectory); err != nil {
		return nil, err
	}
	if err := s.wrapRunc(); err != nil {
		return nil, err
	}
	failure.Doing("Cgroups", "CgroupsNotMountable", "Sharing the container's mounts")
	// Nested containers may ask for shared or slave volumes; the runtime gave this one private mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return nil, err
	}
	return s.command(), nil
}

// askVersion learns what would run, and leaves its version where a failed start can be read.
func (s *start) askVersion() error {
	failure.Doing("Daemon", "DaemonNotRunnable", "Asking dockerd for its version")
	if _, err := exec.LookPath("dockerd"); err != nil {
		return failure.New("Daemon", "DaemonNotFound", "The image has no dockerd in PATH (%s). Set daemon.image to an image with the Docker daemon, for example "+
			"docker:dind.", os.Getenv("PATH"))
	}
	out, err := exec.Command("dockerd", "--version").CombinedOutput()
	if err != nil {
		return failure.New("Daemon", "DaemonNotRunnable", "dockerd of the image does not run here: %s. Check that the image fits the node's architecture.",
			said(out, err))
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "Docker version "), ",")
	s.docker = registry.Docker{Version: text, Major: major(text), Arguments: s.arguments, Volume: storage.Volume}
	failure.Terminate(fmt.Sprintf(`{"version":1,"docker":%s}`, version(text)))
	return nil
}

// said is what a program printed, or how it ended.
func said(out []byte, err error) string {
	if text := strings.TrimSpace(string(out)); text != "" {
		return text
	}
	return err.Error()
}

// major is 0 for a version that is no release, such as "dev": it counts as the newest.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	number, _ := strconv.Atoi(first)
	return number
}

// complete: without a daemon.json in the configuration there is one that listens on the socket alone.
func (s *start) complete() {
	if s.daemon = s.config.DaemonConfig; s.daemon != nil {
		return
	}
	s.daemon = daemonjson.Config{}
	s.daemon.Set("hosts", []string{"unix://" + s.config.Socket})
	for name, value := range map[string]string{
		"data-root": storage.Volume, "exec-root": "/var/run/docker", "pidfile": "/var/run/docker.pid", "cgroup-parent": "/docker",
	} {
		s.daemon.Set(name, value)
	}
	s.daemon.Set("exec-opts", []string{"native.cgroupdriver=cgroupfs"})
}

func (s *start) mountGroups() error {
	failure.Doing("Cgroups", "CgroupsNotMountable", "Entering a cgroup namespace")
	if err := cgroupns.Enter(false); err != nil {
		return cgroups.Refused(s.mode, "enter a cgroup namespace", err, "")
	}
	var err error
	if s.groups, err = cgroups.Mount(s.mode, ""); err != nil {
		return err
	}
	if s.limit, err = s.groups.NestedLimit(s.config.ReserveBytes); err != nil {
		return err
	}
	return s.groups.Limit(s.limit)
}

// trial is one of the packet filter, beside what follows.
type trial struct {
	choice firewall.Choice
	err    error
	done   chan struct{}
}

func (s *start) startFirewall() *trial {
	asked := firewall.Asked{
		Backend: s.config.Network.FirewallBackend, Folder: private, Docker: s.docker.Major, Arguments: s.arguments,
		Config: daemonjson.Encode(s.daemon), Kubelet: failure.Kubelet(), IPv6: s.config.Network.IPv6 == "Enabled",
	}
	t := &trial{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.choice, t.err = firewall.Choose(asked)
	}()
	return t
}

// wait: whatever happens meanwhile, no rule of the trial's stays.
func (t *trial) wait() { <-t.done }

// result says what there is to say, and puts the programs that were chosen first in PATH.
func (t *trial) result() (firewall.Choice, error) {
	failure.Doing("Network", "FirewallUnavailable", "Choosing the packet filter's interface")
	t.wait()
	var refused firewall.Refused
	if errors.As(t.err, &refused) {
		return t.choice, failure.New("Network", "FirewallUnavailable", "%s", string(refused))
	}
	for _, line := range t.choice.Told {
		logs.Say("%s", line)
	}
	if t.choice.Path != "" {
		os.Setenv("PATH", t.choice.Path+":"+os.Getenv("PATH"))
	}
	return t.choice, t.err
}

// volume returns what dockerd is to be told of the storage driver, if anything.
func (s *start) volume() (string, error) {
	if err := storage.HostFree(s.config.Storage); err != nil {
		return "", err
	}
	_, flag := registry.Flag(s.arguments, "storage-driver", "s")
	if s.config.Storage.Driver != "" || flag || s.daemon.Has("storage-driver") {
		return "", nil
	}
	if program, err := os.Executable(); err == nil {
		if _, err := os.Stat(filepath.Join(filepath.Dir(program), OverlayWorks)); err == nil {
			return "", nil
		}
	}
	check, err := storage.Open(s.mode)
	s.lock.Lock()
	s.check = check
	s.lock.Unlock()
	if err != nil {
		return "", err
	}
	chosen, err := check.Choose()
	if err != nil {
		return "", err
	}
	return chosen, check.Close()
}

// removeStalePIDs removes what a daemon of an earlier container left. In a new container its number may be anyone's.
func (s *start) removeStalePIDs() {
	for _, each := range []struct{ file, name string }{
		{"/var/run/docker.pid", "dockerd"}, {"/var/run/docker/containerd/containerd.pid", "containerd"},
		{"/var/run/docker/containerd/docker-containerd.pid", "containerd"},
	} {
		text, err := os.ReadFile(each.file)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 0 {
			if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == each.name {
				continue
			}
		}
		os.Remove(each.file)
		logs.Say("removed %s, left by a %s that is not running any more", each.file, each.name)
	}
}

// files: a file or a Secret may be gone since the init container, and dockerd would run without its proxy or its authorities.
func (s *start) files() error {
	failure.Doing("Daemon", "ConfigNotWritable", "Making the program's own folder")
	for _, folder := range []string{private, "/var/run", filepath.Dir(s.config.Socket)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(private, 0o700); err != nil {
		return err
	}
	if err := s.linkSocket(); err != nil {
		return err
	}
	if err := s.places.Check(s.config.Registry); err != nil {
		return err
	}
	if err := proxy.Check(s.config.Proxy); err != nil {
		return err
	}
	if err := s.places.Link(s.config.Registry); err != nil {
		return err
	}
	if err := s.places.WriteHosts(s.config.Registry); err != nil {
		return err
	}
	if err := s.places.WriteBuilder(s.config.Registry); err != nil {
		return err
	}
	proxy.Direct(s.config.Proxy, append([]string{s.network.Report.Bridge}, s.network.Report.Pools...))
	return nil
}

// linkSocket: the docker CLI in this container looks at its usual place.
func (s *start) linkSocket() error {
	const usual = "/var/run/docker.sock"
	if s.config.Socket == usual || s.config.Socket == "/run/docker.sock" {
		return nil
	}
	if err := os.Remove(usual); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(s.config.Socket, usual)
}

func configFile() string { return filepath.Join(private, "daemon.json") }

// writeConfig adds what was chosen here and nobody has set.
func (s *start) writeConfig() error {
	for _, each := range s.network.Settings {
		s.daemon.SetDefault(each.Name, each.Value)
	}
	if err := registry.Require(s.config.Registry, s.daemon, s.docker); err != nil {
		return err
	}
	registry.ForOldBuilds(s.config.Registry, s.daemon, s.docker)
	failure.Doing("Daemon", "ConfigNotWritable", "Writing the daemon's configuration")
	return daemonjson.Write(configFile(), daemonjson.Encode(s.daemon))
}

// validate asks dockerd for its own sentence about a bad key or flag, before anything else.
func (s *start) validate() error {
	failure.Doing("Daemon", "ConfigInvalid", "Checking the daemon's configuration")
	if s.docker.Major != 0 && s.docker.Major < validateSince {
		return nil
	}
	arguments := append([]string{"--validate", "--config-file=" + configFile()}, s.arguments...)
	if out, err := exec.Command("dockerd", arguments...).CombinedOutput(); err != nil {
		return failure.New("Daemon", "ConfigInvalid", "dockerd %s refuses its configuration: %s. Correct daemon.config or daemon.args.", s.docker.Version,
			said(out, err))
	}
	return nil
}

// wrapRunc puts this program before runc in PATH where it has a reason: a limit of nested containers, a proxy, a user namespace, or what may not be
// had here. In a process of its own, because what it tries stays tried.
func (s *start) wrapRunc() error {
	failure.Doing("Daemon", "ConfigNotWritable", "Preparing the wrapper of runc")
	arguments := []string{"runc-settings"}
	if s.config.Proxy != nil {
		arguments = append(arguments, "--proxy")
	}
	if s.limit != nil {
		arguments = append(arguments, "--memory", s.groups.MemoryLimitFile())
	}
	command := exec.Command("/proc/self/exe", append(arguments, filepath.Join(private, "runc-wrapper"))...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return err
	}
	if folder := strings.TrimSpace(string(out)); folder != "" {
		os.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	}
	return nil
}

// command is what this becomes. The stock image's script also mounts securityfs, for the question whether there is AppArmor, and a tmpfs on /tmp,
// whose files would count against the memory limit; neither is needed.
func (s *start) command() []string {
	// Docker and containerd ask this variable whether they may load AppArmor profiles. Theirs would go into the node's kernel, over a profile of that
	// name there; nested containers are held by the profile of this container instead.
	os.Setenv("container", "docker")
	command := []string{"dind-node", "init", "--docker", s.docker.Version, "--report", s.config.Socket, "--group", "/docker"}
	option := func(name, value string, given bool) {
		if given {
			command = append(command, name, value)
		}
	}
	option("--message", failure.MessageFile(), failure.Kubelet())
	if s.config.ReserveBytes != nil {
		option("--limit", strconv.FormatUint(s.groups.MemoryLimit(), 10), true)
		option("--reserve", strconv.FormatUint(*s.config.ReserveBytes, 10), true)
	}
	preload := len(s.config.Preload) > 0
	option("--preload", strings.Join(s.config.Preload, " "), preload)
	option("--preloaded", filepath.Join(private, "preloaded"), preload)
	option("--credentials", s.places.Credentials(), s.config.Registry.Credentials != nil)
	option("--volume", storage.Volume, true)
	option("--loops", filepath.Join(storage.Volume, ".dind-loops"), true)
	option("--lock", storage.Volume, s.config.Storage.HostDirectory != "")
	option("--dns", s.network.Forward, s.network.Forward != "")
	command = append(command, "--", "dockerd", "--config-file="+configFile())
	return append(command, s.docker.Arguments...)
}

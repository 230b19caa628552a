// Package preflight is the init container's proof that a nested daemon will work here, before any is started. Everything is really done: mounts,
// child groups with limits, an overlay on the docker volume. Whatever it made is gone at its end, however it ends. It is the command
// `cgroups-mount`, whose other half mounts the hierarchy, as Docker in Docker has always needed it before dockerd.
package preflight

import (
	"fmt"
	"io"
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
	"dind.dev/node/internal/config"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/inotify"
	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/proxy"
	"dind.dev/node/internal/registry"
	"dind.dev/node/internal/security"
	"dind.dev/node/internal/start"
	"dind.dev/node/internal/storage"
)

const (
	// entered is set in the process that has namespaces of its own.
	entered = "DIND_ENTERED"
	// inotifyNeeded: a daemon and its first containers take a few of them.
	inotifyNeeded = 8
	exitUsage     = 2
)

const usage = "usage: cgroups-mount mount [-- COMMAND...] | cgroups-mount preflight --install DIR"

// Main runs `cgroups-mount mount [-- COMMAND...]`, which mounts the hierarchy here, with COMMAND in a cgroup namespace of COMMAND's own; or
// `cgroups-mount preflight --install DIR`, which proves with the daemon's own privileges that one will work on this node, reports it as JSON,
// and copies this program into DIR.
func Main(arguments []string) int {
	switch {
	case len(arguments) == 1 && arguments[0] == "mount", len(arguments) > 2 && arguments[0] == "mount" && arguments[1] == "--":
		return mountHere(arguments[min(2, len(arguments)):])
	case len(arguments) == 3 && arguments[0] == "preflight" && arguments[1] == "--install":
		return prove(arguments[2])
	}
	logs.Say(usage)
	return exitUsage
}

// mountHere goes on as the command, if there is one.
func mountHere(command []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	go func() { os.Exit(128 + int((<-signals).(syscall.Signal))) }()
	err := func() error {
		asked, err := config.Read()
		if err != nil {
			return err
		}
		mode := security.Mode(asked.SecurityMode)
		if len(command) > 0 {
			if err := cgroupns.Enter(false); err != nil {
				return cgroups.Refused(mode, "enter a cgroup namespace", err, "")
			}
		}
		groups, err := cgroups.Mount(mode, "")
		if err != nil {
			return err
		}
		limit, err := groups.NestedLimit(asked.ReserveBytes)
		if err != nil {
			return err
		}
		return groups.Limit(limit)
	}()
	if err != nil {
		logs.Say("%s", failure.Of(err).Message)
		return 1
	}
	if len(command) == 0 {
		return 0
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		err = syscall.Exec(path, command, os.Environ())
	}
	logs.Say("%s: %v", command[0], err)
	return 127
}

// check is one run of the proof.
type check struct {
	config config.Config
	mode   security.Mode
	report report
	groups cgroups.Hierarchy
	limit  *uint64
	volume *storage.Check
	// end is held by whoever ends the program: it ends once.
	end sync.Mutex
}

func prove(folder string) int {
	asked, unread := config.Read()
	c := &check{config: asked, mode: security.Mode(asked.SecurityMode), report: newReport(asked.SecurityMode)}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	go func() {
		<-signals
		const status = 128 + int(unix.SIGTERM)
		os.Exit(c.finish(fmt.Errorf("it was ended by a signal (status %d)", status), status))
	}()
	// First of all, for a profile may forbid the very next step.
	c.report.AppArmor = apparmor()
	if unread != nil {
		return c.finish(unread, 1)
	}
	if os.Getenv(entered) == "" {
		return c.finish(c.enter(), 1)
	}
	os.Unsetenv(entered)
	return c.finish(c.run(folder), 1)
}

// enter runs this program again with namespaces of its own. The one of mounts goes with the last process in it, even one that was killed: no
// mount can stay.
func (c *check) enter() error {
	failure.Doing("Cgroups", "CgroupsNotMountable", "Entering a cgroup namespace")
	if err := cgroupns.Enter(true); err != nil {
		return cgroups.Refused(c.mode, "enter a cgroup namespace", err, string(c.report.AppArmor.Profile))
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, os.Args, append(os.Environ(), entered+"=1"))
}

// finish leaves nothing behind but the report, and returns the exit status: the one given if something went wrong.
func (c *check) finish(err error, status int) int {
	// Not given back: whoever comes second waits for the end.
	c.end.Lock()
	var failed *failure.Failure
	if err != nil {
		failed = failure.Of(err)
	} else {
		failure.Doing("Install", "ReportFailed", "Writing the report")
		status = 0
	}
	if failed != nil {
		logs.Say("%s", failed.Message)
	}
	// A step that a signal has interrupted may still be making something.
	for try := 0; try < 3 && c.volume.Remove() != nil; try++ {
	}
	c.groups.Undo()
	c.report.write(failed)
	if failed == nil {
		c.say()
	}
	return status
}

func (c *check) run(folder string) error {
	if err := c.cgroups(); err != nil {
		return err
	}
	c.inotify()
	if err := c.storage(); err != nil {
		return err
	}
	choice, err := start.Networks(c.config.Network, 0, false, nil, nil)
	if err != nil {
		return err
	}
	c.report.Network = &choice.Report
	if err := registry.Usual().Check(c.config.Registry); err != nil {
		return err
	}
	if err := proxy.Check(c.config.Proxy); err != nil {
		return err
	}
	return c.install(folder)
}

// apparmor is its state in this kernel, and the profile in force.
func apparmor() apparmorReport {
	failure.Doing("Cgroups", "ReportFailed", "Reading the AppArmor state")
	enabled, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if strings.TrimSpace(string(enabled)) != "Y" {
		return apparmorReport{}
	}
	for _, file := range []string{"/proc/self/attr/apparmor/current", "/proc/self/attr/current"} {
		if profile, err := os.ReadFile(file); err == nil {
			return apparmorReport{true, text(strings.TrimSpace(string(profile)))}
		}
	}
	return apparmorReport{Enabled: true}
}

func (c *check) cgroups() error {
	groups, err := cgroups.Mount(c.mode, string(c.report.AppArmor.Profile))
	c.groups = groups
	if groups.Version != 0 {
		c.report.Cgroup.Version = &c.groups.Version
	}
	c.report.Cgroup.Controllers = append(c.report.Cgroup.Controllers, groups.Controllers...)
	if err != nil {
		return err
	}
	if limit := c.groups.MemoryLimit(); limit != 0 {
		c.report.Memory.LimitBytes = &limit
	}
	if err := c.groups.Prove(); err != nil {
		return err
	}
	c.limit, err = c.groups.NestedLimit(c.config.ReserveBytes)
	return err
}

// inotify is what all pods of the node share. Never a reason to stop: dockerd starts without, and what fails for want of one says only "too many open
// files".
func (c *check) inotify() {
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		return
	}
	most, _ := strconv.Atoi(strings.TrimSpace(string(limit)))
	free := inotify.Free(inotifyNeeded)
	c.report.Inotify = &inotifyReport{most, free}
	if free < inotifyNeeded {
		logs.Say("only %d of the node's %d inotify instances are free, and all pods of the node share them: programs that watch files will fail with 'too many "+
			"open files'. Raise the sysctl fs.inotify.max_user_instances of the node, for example to 8192", free, most)
	}
}

func (c *check) storage() error {
	driver := c.config.Storage.Driver
	c.report.Storage.Driver = text(driver)
	if err := storage.CheckHost(c.config.Storage); err != nil {
		return err
	}
	var err error
	c.volume, err = storage.Open(c.mode)
	c.report.Storage.Filesystem = text(c.volume.Filesystem)
	if err != nil {
		return err
	}
	driver, err = c.volume.Prove(driver, string(c.report.AppArmor.Profile))
	c.report.Storage.Overlay, c.report.Storage.Driver = c.volume.Overlay, text(driver)
	if err != nil {
		return err
	}
	if err := c.mode.ProveMounts(c.volume.Scratch()); err != nil {
		return err
	}
	return c.volume.Close()
}

// install copies this program for the daemon's container, with its other name. By rename, so that a daemon that still runs from an older copy keeps
// it, and a copy cut short is never used.
func (c *check) install(folder string) error {
	failure.Doing("Install", "NodeToolInstallFailed", "Copying the tool to "+folder)
	err := func() error {
		proved := filepath.Join(folder, start.OverlayWorks)
		if err := os.Remove(proved); err != nil && !os.IsNotExist(err) {
			return err
		}
		if c.report.Storage.Overlay {
			if err := os.WriteFile(proved, nil, 0o644); err != nil {
				return err
			}
		}
		temporary := filepath.Join(folder, ".new")
		os.Remove(temporary)
		if err := copyProgram(temporary); err != nil {
			return err
		}
		if err := os.Rename(temporary, filepath.Join(folder, "dind-node")); err != nil {
			return err
		}
		for _, name := range []string{"entrypoint", "cgroups-mount"} {
			if err := os.Symlink("dind-node", temporary); err != nil {
				return err
			}
			if err := os.Rename(temporary, filepath.Join(folder, name)); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		return failure.New("Install", "NodeToolInstallFailed", "The tool could not be copied to %s: %v. The volume needs about 4 MiB free and must be mounted "+
			"read-write in the init container.", folder, err)
	}
	return nil
}

func copyProgram(to string) (err error) {
	source, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	defer func() {
		if closed := target.Close(); err == nil {
			err = closed
		}
	}()
	if err := target.Chmod(0o755); err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return err
}

// say is the report for people.
func (c *check) say() {
	logs.Say("security mode %s", c.mode)
	logs.Say("cgroup version %d, controllers: %s", c.groups.Version, strings.Join(c.groups.Controllers, " "))
	memory, nested := "none", ""
	if limit := c.report.Memory.LimitBytes; limit != nil {
		memory = strconv.FormatUint(*limit, 10)
	}
	if c.limit != nil {
		nested = fmt.Sprintf(", nested containers together: %d", *c.limit)
	}
	logs.Say("memory limit: %s%s", memory, nested)
	driver := ""
	if c.report.Storage.Driver != "" {
		driver = ", storage driver: " + string(c.report.Storage.Driver)
	}
	logs.Say("docker volume: %s, overlay works: %t%s", c.report.Storage.Filesystem, c.report.Storage.Overlay, driver)
	if network := c.report.Network; network != nil {
		logs.Say("network: interface %s (MTU %d), bridge %s, pools %s", network.Interface, network.MTU, network.Bridge, strings.Join(network.Pools, " "))
	}
	if inotify := c.report.Inotify; inotify != nil {
		logs.Say("inotify instances: %d for all pods of the node", inotify.Limit)
	}
	profile := c.report.AppArmor.Profile
	if profile == "" {
		profile = "none"
	}
	logs.Say("kernel %s, %s, AppArmor profile: %s", c.report.Kernel, c.report.Arch, profile)
}

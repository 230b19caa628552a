// Command dind-node is what runs in the pod: in the init container and in the daemon's own. It is static and copied into containers of
// any distribution, so it uses nothing but the kernel.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"dind.dev/node/internal/activity"
	"dind.dev/node/internal/cgroupns"
	"dind.dev/node/internal/inotify"
	"dind.dev/node/internal/isolation"
	"dind.dev/node/internal/preflight"
	"dind.dev/node/internal/preload"
	"dind.dev/node/internal/probe"
	"dind.dev/node/internal/runc"
	"dind.dev/node/internal/start"
	"dind.dev/node/internal/supervise"
	"dind.dev/node/internal/volume"
)

const exitUsage = 2

// Namespaces and the signal at the parent's end are a thread's, and the thread that calls exec is the one that goes on: all of it on the first one,
// which has what this process was given.
func init() { runtime.LockOSThread() }

// commands by name, with their usage. `tasks` is started by init alone.
var commands = []struct {
	name, usage string
	run         func([]string) int
}{
	{"entrypoint", "[ARGUMENT...]", start.Main},
	{"cgroups-mount", "mount [-- COMMAND...] | preflight --install DIRECTORY", preflight.Main},
	{"cgroupns", "[--mount] -- COMMAND...", cgroupns.Main},
	{"ping", "[--timeout SECONDS] [--wait SECONDS] [--after FILE] [SOCKET]", probe.Main},
	{"init", "[OPTION...] -- COMMAND...", supervise.Main},
	{"tasks", "", supervise.TasksMain},
	{"pause", "", isolation.PauseMain},
	{"volume", "DIRECTORY", volume.Main},
	{"lock", "DIRECTORY", volume.LockMain},
	{"activity", "SOCKET CGROUP", activity.Main},
	{"network", "[-docker MAJOR] [-ip6tables]", start.NetworkMain},
	{"preload", "MARKER CREDENTIALS SOCKET IMAGE...", preload.Main},
	{"inotify", "COUNT", inotify.Main},
	{"runc-settings", "[--proxy] [--memory FILE] FOLDER", runc.SettingsMain},
}

func main() {
	os.Exit(run(os.Args))
}

func run(arguments []string) int {
	// Links to this program are commands of their own.
	if len(arguments) > 0 {
		switch filepath.Base(arguments[0]) {
		case "runc":
			return runc.Main(arguments)
		case "entrypoint":
			return start.Main(arguments[1:])
		case "cgroups-mount":
			return preflight.Main(arguments[1:])
		}
	}
	for _, command := range commands {
		if len(arguments) > 1 && arguments[1] == command.name {
			return command.run(arguments[2:])
		}
	}
	text := ""
	for i, command := range commands {
		if command.name != "tasks" {
			text += fmt.Sprintf("%-6s dind-node %s %s\n", map[bool]string{true: "usage:"}[i == 0], command.name, command.usage)
		}
	}
	fmt.Fprint(os.Stderr, text)
	return exitUsage
}

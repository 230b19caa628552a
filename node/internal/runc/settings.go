package runc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/proxy"
	"dind.dev/node/internal/userns"
)

// Install puts the link with the name runc and the settings into the folder, where there is a reason for it; false without one. KeepOOMScore is
// decided here, and tried: what is lowered stays lowered, so this is for a process that ends soon.
func Install(folder string, settings Settings) (bool, error) {
	score := ownOOMScore()
	keep := score > 0 && os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0) != nil
	if keep {
		logs.Say("nested containers have this container's oom_score_adj, %d: it may not be lowered here", score)
	}
	settings.KeepOOMScore = keep || userns.Inside()
	if !settings.KeepOOMScore && settings.MemoryLimitFile == "" && len(settings.Proxy) == 0 && mayRaiseLimits() {
		return false, nil
	}
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false, err
	}
	if err := replace(filepath.Join(folder, settingsFile), text, 0o600); err != nil {
		return false, err
	}
	link := filepath.Join(folder, "runc")
	os.Remove(link)
	return true, os.Symlink(program, link)
}

// mayRaiseLimits says whether a container can have any limit that it asks for.
func mayRaiseLimits() bool {
	for name, resource := range resources {
		var own unix.Rlimit
		if unix.Prlimit(0, resource, nil, &own) != nil || own.Max == unix.RLIM_INFINITY {
			continue
		}
		if _, lower := allowed(name, own.Max+1); lower {
			return false
		}
	}
	return true
}

// SettingsMain runs `dind-node runc-settings [--proxy] [--memory FILE] FOLDER` and prints the folder if the link was put there. With --proxy nested
// containers are given the proxy's variables of this process.
func SettingsMain(arguments []string) int {
	var settings Settings
	if len(arguments) > 0 && arguments[0] == "--proxy" {
		settings.Proxy, arguments = proxy.Variables(), arguments[1:]
	}
	if len(arguments) > 1 && arguments[0] == "--memory" {
		settings.MemoryLimitFile, arguments = arguments[1], arguments[2:]
	}
	if len(arguments) != 1 || strings.HasPrefix(arguments[0], "-") {
		fmt.Fprintln(os.Stderr, "usage: dind-node runc-settings [--proxy] [--memory FILE] FOLDER")
		return 2
	}
	installed, err := Install(arguments[0], settings)
	if err != nil {
		fmt.Fprintf(os.Stderr, "dind-node runc-settings: %v\n", err)
		return 1
	}
	if installed {
		fmt.Println(arguments[0])
	}
	return 0
}

// Package cli gives the docker CLI of this image and its plugins to the pod's other containers, whatever those are made of. A program that needs
// libraries is copied with them and with their loader, and called by a script: so it runs on another C library, too, as long as there is a
// /bin/sh. A static one is copied as it is.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/logs"
)

// complete says that all of it is there.
const complete = ".complete"

// pluginFolders are where images have plugins, in the order of the docker CLI.
var pluginFolders = []string{"/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"}

// Offer copies them into the folder, once for each pod: a container that is started again finds it there, and workloads may be using it.
func Offer(folder string) error {
	if folder == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(folder, complete)); err == nil {
		return nil
	}
	failure.Doing("Daemon", "DockerCliNotFound", "Copying the docker CLI for the workloads")
	program, err := exec.LookPath("docker")
	if _, missing := exec.LookPath("ldd"); err != nil || missing != nil {
		return failure.New("Daemon", "DockerCliNotFound", "The daemon's image lacks docker or ldd in PATH (%s), and workloads.dockerCli asks for its docker CLI. "+
			"Set daemon.image to an image with both, for example docker:dind, or set workloads.dockerCli to false and have the CLI in the workload's "+
			"image.", os.Getenv("PATH"))
	}
	plugins := filepath.Join(folder, "cli-plugins")
	// What a container that was killed meanwhile has half copied.
	if err := os.RemoveAll(plugins); err != nil {
		return err
	}
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	if err := take(folder, program, "docker"); err != nil {
		return err
	}
	for _, parent := range pluginFolders {
		found, _ := filepath.Glob(filepath.Join(parent, "docker/cli-plugins/docker-*"))
		for _, plugin := range found {
			target := filepath.Join("cli-plugins", filepath.Base(plugin))
			if _, err := os.Lstat(filepath.Join(folder, target)); err == nil || !regular(plugin) {
				continue
			}
			if err := take(folder, plugin, target); err != nil {
				return err
			}
		}
	}
	said, err := exec.Command(filepath.Join(folder, "docker"), "--version").CombinedOutput()
	text := strings.TrimSpace(string(said))
	if err != nil {
		return failure.New("Daemon", "DockerCliNotFound", "The docker CLI of the daemon's image does not run when it is copied: %s (%v). Set workloads.dockerCli to "+
			"false and have the CLI in the workload's image.", text, err)
	}
	if err := os.WriteFile(filepath.Join(folder, complete), nil, 0o644); err != nil {
		return err
	}
	logs.Say("the workloads have %s", text)
	return nil
}

func regular(file string) bool {
	about, err := os.Stat(file)
	return err == nil && about.Mode().IsRegular()
}

// take makes the program callable at the target's place. A dynamic one whose libraries are not told is an error.
func take(folder, program, target string) error {
	loader, libraries := needs(program)
	target = filepath.Join(folder, target)
	if loader == "" {
		return copyFile(program, target, 0o755)
	}
	lib, bin := filepath.Join(folder, "lib"), filepath.Join(folder, "bin")
	for _, each := range []string{lib, bin} {
		if err := os.MkdirAll(each, 0o755); err != nil {
			return err
		}
	}
	for name, from := range libraries {
		if err := copyFile(from, filepath.Join(lib, name), 0o755); err != nil {
			return err
		}
	}
	place := filepath.Join(bin, filepath.Base(program))
	if err := copyFile(loader, filepath.Join(lib, "loader"), 0o755); err != nil {
		return err
	}
	if err := copyFile(program, place, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s/loader --library-path %s %s \"$@\"\n", lib, lib, place)
	if err := os.WriteFile(target, []byte(script), 0o755); err != nil {
		return err
	}
	return os.Chmod(target, 0o755)
}

// needs are the loader and the libraries by name, as ldd tells them; no loader for a static program, of which it says so in many ways.
func needs(program string) (loader string, libraries map[string]string) {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return "", nil
	}
	return parse(string(out))
}

func parse(told string) (loader string, libraries map[string]string) {
	libraries = map[string]string{}
	for _, line := range strings.Split(told, "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case strings.HasPrefix(fields[0], "/"):
			loader = fields[0]
			// musl's is a library of the same file.
			if len(fields) > 2 && fields[1] == "=>" {
				loader = fields[2]
			}
		case len(fields) > 2 && fields[1] == "=>":
			libraries[fields[0]] = fields[2]
		}
	}
	return loader, libraries
}

// copyFile copies what the path leads to.
func copyFile(from, to string, mode os.FileMode) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	// A program that runs cannot be written.
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := target.Chmod(mode); err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return err
}

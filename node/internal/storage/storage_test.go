package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/mounts"
	"dind.dev/node/internal/security"
	"dind.dev/node/internal/testbox"
)

const (
	empty   = "mount -t tmpfs t /var/lib; mkdir /var/lib/docker; mount -t tmpfs t /run\n"
	memory  = empty + "mount -t tmpfs -o size=32m t /var/lib/docker\n"
	overlay = empty + "mkdir /run/l /run/u /run/w; mount -t overlay -o lowerdir=/run/l,upperdir=/run/u,workdir=/run/w o /var/lib/docker\n"
	filled  = empty + "mount -t tmpfs -o size=4m t /var/lib/docker; dd if=/dev/zero of=/var/lib/docker/f bs=64k 2>/dev/null || :\n"
	// Where this machine has the program.
	noProgram = "program=$(command -v fuse-overlayfs) && touch /run/none && mount --bind /run/none \"$program\" || :\n"
	noFuse    = "touch /run/none; mount --bind /run/none /dev/fuse\n"
)

func reason(err error) string {
	var failed *failure.Failure
	if errors.As(err, &failed) {
		return failed.Reason
	}
	return fmt.Sprint(err)
}

// clean says what is left of a check.
func clean(t *testing.T) {
	left, _ := filepath.Glob(Volume + "/" + scratchPrefix + "*")
	if len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	for _, each := range mounts.Table() {
		if strings.Contains(each.Point, scratchPrefix) {
			t.Errorf("left: %s", each.Point)
		}
	}
}

func TestChoose(t *testing.T) {
	for name, each := range map[string]struct{ script, want string }{
		"an-overlay-works": {memory, "<nil>"},
		// A daemon that was killed on a full volume must come back: only through it can the volume be emptied.
		"full":              {filled, "<nil>"},
		"no-program":        {overlay + noProgram, "FuseOverlayfsMissing"},
		"no-device":         {overlay + noFuse + "mkdir /run/bin; printf '#!/bin/sh\n' >/run/bin/fuse-overlayfs; chmod 755 /run/bin/fuse-overlayfs; PATH=/run/bin:$PATH\n", "FuseOverlayfsMissing"},
		"no-whiteouts":      {empty + "mount -t ramfs r /var/lib/docker\n" + noProgram, "FuseOverlayfsMissing"},
		"fuse-that-is-none": {overlay + "mkdir /run/bin; printf '#!/bin/sh\necho cannot; exit 3\n' >/run/bin/fuse-overlayfs; chmod 755 /run/bin/fuse-overlayfs; PATH=/run/bin:$PATH\n", "StorageNotOverlayCapable"},
		"read-only":         {empty + "mount -t tmpfs -o ro t /var/lib/docker\n", "StorageNotWritable"},
		"no-inodes":         {empty + "mount -t tmpfs -o nr_inodes=1 t /var/lib/docker\n", "DiskFull"},
	} {
		t.Run(name, func(t *testing.T) {
			if !testbox.Inside(t, each.script) {
				return
			}
			check, err := Open(security.Privileged)
			if err == nil {
				_, err = check.Choose()
			}
			if reason(err) != each.want {
				t.Errorf("%s: %v", reason(err), err)
			}
			if err := check.Close(); err != nil {
				t.Error(err)
			}
			clean(t)
		})
	}
}

func TestWhatAKilledRunLeftIsRemoved(t *testing.T) {
	if !testbox.Inside(t, memory+"mkdir -p /var/lib/docker/.dind-preflight.7/merged; mount -t tmpfs t /var/lib/docker/.dind-preflight.7/merged; ln -s /run /var/lib/docker/.dind-preflight.link; touch /run/kept") {
		return
	}
	check, err := Open(security.Privileged)
	if err != nil {
		t.Fatal(err)
	}
	check.Close()
	clean(t)
	if _, err := os.Stat("/run/kept"); err != nil {
		t.Error("removed through a link")
	}
}

func TestAnOverlayInAUserNamespaceCarriesReplacedDirectories(t *testing.T) {
	for name, mode := range map[string]security.Mode{"with": security.UserNamespace, "without": security.Privileged} {
		t.Run(name, func(t *testing.T) {
			if !testbox.Inside(t, memory+"chmod 777 /var/lib/docker", testbox.UserNamespace...) {
				return
			}
			check, err := Open(mode)
			if err != nil {
				t.Fatal(err)
			}
			defer check.Close()
			if mode == security.UserNamespace {
				if err := check.TryOverlay(); err != nil {
					t.Error(err)
				}
				return
			}
			// Without the option it is mounted so that a directory cannot be replaced.
			l, err := check.layers("kernel")
			if err == nil {
				err = mountOverlay(l, "")
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := security.Mode(security.UserNamespace).ProveOverlay(l.merged); err == nil {
				t.Error("a directory was replaced without user attributes: the check shows nothing")
			}
		})
	}
}

// --- a directory of the node ---

const (
	prefix = empty + "mkdir /run/prefix; cd /run/prefix\n"
	own    = prefix + "mkdir own other; mount --bind own /var/lib/docker\n"
)

func TestCheckHost(t *testing.T) {
	lock := "flock --exclusive own sleep 20 & sleep 0.5\n"
	for name, each := range map[string]struct{ script, want, says string }{
		"own":                 {own, "<nil>", ""},
		"pipe-as-owner":       {own + "mkfifo own/.dind-owner", "<nil>", ""},
		"link-as-owner":       {own + "ln -s /run/prefix/kept own/.dind-owner", "<nil>", ""},
		"directory-as-owner":  {own + "mkdir -p own/.dind-owner/a", "<nil>", ""},
		"link":                {prefix + "mkdir other; ln -s other own; mount --bind other /var/lib/docker", "HostPathIsSymlink", "'own' is a symbolic link there"},
		"another":             {own + "umount /var/lib/docker; mount --bind other /var/lib/docker", "HostPathIsSymlink", ""},
		"gone":                {prefix + "mkdir other; mount --bind other /var/lib/docker", "HostPathIsSymlink", ""},
		"file":                {prefix + "mkdir other; touch own; mount --bind other /var/lib/docker", "HostPathIsSymlink", ""},
		"signed-not-locked":   {own + "echo team-b/build >own/.dind-owner", "<nil>", ""},
		"locked":              {own + "echo team-b/build 3333 >own/.dind-owner; " + lock, "HostPathInUse", "of the environment team-b/build 3333."},
		"locked-by-a-liar":    {own + "echo '<script> $(reboot)' >own/.dind-owner; " + lock, "HostPathInUse", "of the environment that is not known"},
		"locked-by-nobody":    {own + lock, "HostPathInUse", "of the environment that is not known"},
		"locked-with-a-pipe":  {own + "mkfifo own/.dind-owner; " + lock, "HostPathInUse", "of the environment that is not known"},
		"locked-with-a-link":  {own + "echo secret >/run/secret; ln -s /run/secret own/.dind-owner; " + lock, "HostPathInUse", "of the environment that is not known"},
		"locked-with-a-novel": {own + "head -c 100000 /dev/zero | tr '\\0' a >own/.dind-owner; " + lock, "HostPathInUse", "of the environment aaaa"},
	} {
		t.Run(name, func(t *testing.T) {
			if !testbox.Inside(t, each.script) {
				return
			}
			hostPrefix = "/run/prefix"
			err := CheckHost(config.Storage{HostDirectory: "own", Owner: "team-a/builder 1111-2222"})
			if reason(err) != each.want || err != nil && !strings.Contains(err.Error(), each.says) {
				t.Fatalf("%s: %v", reason(err), err)
			}
			if err == nil {
				if text, _ := os.ReadFile(Volume + "/" + ownerFile); string(text) != "team-a/builder 1111-2222\n" {
					t.Errorf("it is signed %q", text)
				}
			} else if len(err.Error()) > 2000 {
				t.Errorf("%d bytes", len(err.Error()))
			}
			if _, err := os.Stat(hostPrefix + "/kept"); err == nil {
				t.Error("written through a link")
			}
		})
	}
	if err := CheckHost(config.Storage{}); err != nil {
		t.Error(err)
	}
}

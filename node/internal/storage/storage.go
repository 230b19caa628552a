// Package storage says whether the docker volume carries Docker's layers, asked before dockerd would answer with vfs, which copies each of them
// whole: slow, and ten times the size. Everything is really done, in a directory that is gone afterwards.
package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/mounts"
	"dind.dev/node/internal/security"
)

// Volume is where Docker keeps images and containers.
const Volume = "/var/lib/docker"

const (
	// scratchPrefix begins the name of the directory of the check.
	scratchPrefix = ".dind-preflight."
	fuseProgram   = "fuse-overlayfs"
	// contentBytes is as much as needs a block of its own.
	contentBytes = 4096

	remedy = "The overlay2 storage driver needs ext4, xfs (ftype=1), tmpfs or btrfs: use storage.emptyDir or storage.ephemeral, check what file system " +
		"the node keeps its volumes on, and that its kernel has overlay"
)

// Check is one look at the volume. Close removes what it made.
type Check struct {
	// Filesystem is the type of the volume's.
	Filesystem string
	// Overlay says that one works there.
	Overlay bool

	mode    security.Mode
	scratch string
}

// Open makes a new directory on the volume.
func Open(mode security.Mode) (*Check, error) {
	failure.Doing("Storage", "StorageNotWritable", "Checking the docker volume")
	c := &Check{Filesystem: mounts.Filesystem(Volume), mode: mode}
	// What a killed run left.
	left, _ := filepath.Glob(filepath.Join(Volume, scratchPrefix+"*"))
	for _, each := range left {
		mounts.UnmountAll(each)
		os.RemoveAll(each)
	}
	scratch := filepath.Join(Volume, fmt.Sprintf("%s%d", scratchPrefix, os.Getpid()))
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return c, c.NotWritable(err)
	}
	c.scratch = scratch
	return c, nil
}

// Scratch is the directory.
func (c *Check) Scratch() string { return c.scratch }

// NotWritable tells a volume that is full from one that cannot be written.
func (c *Check) NotWritable(err error) error {
	if full(err) {
		return failure.New("Storage", "DiskFull", "The docker volume at %s is full (%s): %v. Free space on it, or give the environment another.",
			Volume, c.Filesystem, err)
	}
	return failure.New("Storage", "StorageNotWritable", "The docker volume at %s cannot be written (%s): %v. Give the environment a volume that is "+
		"mounted read-write.", Volume, c.Filesystem, err)
}

func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// Remove removes the directory, if there is one; however the program ends.
func (c *Check) Remove() error {
	if c == nil || c.scratch == "" {
		return nil
	}
	mounts.UnmountAll(c.scratch)
	return os.RemoveAll(c.scratch)
}

// Close is Remove as a step of its own.
func (c *Check) Close() error {
	failure.Doing("Storage", "StorageNotWritable", "Removing the check's own files")
	if err := c.Remove(); err != nil {
		return failure.New("Storage", "StorageNotWritable", "The check of %s could not remove its own files (%s): %v.", Volume, c.Filesystem, err)
	}
	c.scratch = ""
	return nil
}

// --- what it carries ---

// layers are the directories of an overlay.
type layers struct {
	lower, upper, work, merged string
}

func (l layers) options() string {
	return fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", l.lower, l.upper, l.work)
}

func (c *Check) layers(name string) (layers, error) {
	parent := filepath.Join(c.scratch, name)
	l := layers{filepath.Join(parent, "lower"), filepath.Join(parent, "upper"), filepath.Join(parent, "work"), filepath.Join(parent, "merged")}
	for _, folder := range []string{filepath.Join(l.lower, "folder"), l.upper, l.work, l.merged} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return l, err
		}
	}
	for _, file := range []string{"deleted", "renamed"} {
		if err := fill(filepath.Join(l.lower, file)); err != nil {
			return l, err
		}
	}
	return l, nil
}

func fill(file string) error {
	return os.WriteFile(file, bytes.Repeat([]byte("x"), contentBytes), 0o644)
}

// change does what a container does to its image: reads below, deletes it (a whiteout above), renames, writes anew.
func (l layers) change() error {
	if err := fill(filepath.Join(l.merged, "created")); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(l.merged, "deleted")); err != nil {
		return err
	}
	// rename(2) of a file below is refused for some: mv then copies.
	from, to := filepath.Join(l.merged, "renamed"), filepath.Join(l.merged, "moved")
	if err := os.Rename(from, to); err == nil || !errors.Is(err, unix.EXDEV) {
		return err
	}
	if err := fill(to); err != nil {
		return err
	}
	return os.Remove(from)
}

func (l layers) arrived() bool {
	created, err1 := os.Lstat(filepath.Join(l.upper, "created"))
	moved, err2 := os.Lstat(filepath.Join(l.upper, "moved"))
	return err1 == nil && err2 == nil && created.Mode().IsRegular() && moved.Mode().IsRegular()
}

func mountOverlay(l layers, more string) error {
	if err := unix.Mount("overlay", l.merged, "overlay", 0, l.options()+more); err != nil {
		return fmt.Errorf("mounting it failed: %w", err)
	}
	return nil
}

// TryOverlay mounts one and uses it.
func (c *Check) TryOverlay() error {
	failure.Doing("Storage", "StorageNotOverlayCapable", "Trying an overlay on the docker volume")
	l, err := c.layers("kernel")
	if err != nil {
		return err
	}
	if err := mountOverlay(l, c.mode.OverlayOptions()); err != nil {
		return err
	}
	if err := l.change(); err != nil {
		return err
	}
	if err := c.mode.ProveOverlay(l.merged); err != nil {
		return err
	}
	for _, name := range []string{"deleted", "renamed"} {
		about, err := os.Lstat(filepath.Join(l.upper, name))
		if err != nil || about.Mode()&os.ModeCharDevice == 0 || !l.arrived() {
			return errors.New("files changed through the overlay did not arrive in its upper layer")
		}
	}
	c.Overlay = true
	return nil
}

// tryFuse is the same by a program, which marks what is deleted in its own way.
func (c *Check) tryFuse() error {
	l, err := c.layers("fuse")
	if err != nil {
		return err
	}
	if out, err := exec.Command(fuseProgram, "-o", l.options(), l.merged).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", fuseProgram, err, strings.Join(strings.Fields(string(out)), " "))
	}
	if err := l.change(); err != nil {
		return err
	}
	for _, name := range []string{"deleted", "renamed"} {
		if _, err := os.Lstat(filepath.Join(l.merged, name)); err == nil || !l.arrived() {
			return errors.New("files changed through fuse-overlayfs did not arrive in its upper layer")
		}
	}
	return nil
}

// fuseDevice says whether the device is there, and the container's rules let it be opened.
func fuseDevice() bool {
	about, err := os.Stat("/dev/fuse")
	if err != nil || about.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	file, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		file.Close()
	}
	return err == nil
}

// --- in the init container ---

// Prove asks whether the driver works here, the user's own or the one that dockerd would choose. It returns the driver that the daemon's
// container could use instead of an overlay, and leaves the directory for further checks. The daemon's image is not here: whether it has the
// program the daemon's container will find out.
func (c *Check) Prove(driver, profile string) (string, error) {
	switch driver {
	case "", "overlay", "overlay2", "overlayfs":
		why := c.TryOverlay()
		switch {
		case why == nil:
			return driver, nil
		case full(why):
			return driver, c.NotWritable(why)
		case driver == "" && fuseDevice():
			logs.Say("no overlay can be mounted on %s (%s): %v. fuse-overlayfs could be used", Volume, c.Filesystem, why)
			return fuseProgram, nil
		}
		if profile == "" {
			profile = "none"
		}
		return driver, failure.New("Storage", "StorageNotOverlayCapable", "The file system of %s (%s) cannot carry an overlay: %v. %s; or, where it says "+
			"permission denied, allow overlay mounts in the AppArmor profile (now: %s).", Volume, c.Filesystem, why, remedy, profile)
	case fuseProgram:
		if !fuseDevice() {
			return driver, failure.New("Storage", "FuseOverlayfsMissing", "The storage driver fuse-overlayfs was chosen, and it needs /dev/fuse, which this "+
				"container lacks. Use security.mode Privileged, on a node whose kernel has fuse, or leave the storage driver out.")
		}
	default:
		logs.Say("the storage driver %s was chosen: whether it works here is left to dockerd", driver)
	}
	return driver, nil
}

// --- in the daemon's container ---

// Choose returns what dockerd is to be told of the driver, if anything, where nobody chose one. Its image may have the program.
func (c *Check) Choose() (string, error) {
	why := c.TryOverlay()
	// A full volume says nothing of its file system; what is on it already decides.
	if why == nil || full(why) {
		return "", nil
	}
	const needs = "fuse-overlayfs could do without, and"
	if _, err := exec.LookPath(fuseProgram); err != nil {
		return "", failure.New("Storage", "FuseOverlayfsMissing", "The file system of %s (%s) cannot carry an overlay: %v. %s is not in the daemon's image: "+
			"use one that has it (the project's own has). %s.", Volume, c.Filesystem, why, needs, remedy)
	}
	if !fuseDevice() {
		return "", failure.New("Storage", "FuseOverlayfsMissing", "The file system of %s (%s) cannot carry an overlay: %v. %s needs /dev/fuse, which this "+
			"container lacks: use security.mode Privileged, on a node whose kernel has fuse. %s.", Volume, c.Filesystem, why, needs, remedy)
	}
	if err := c.tryFuse(); err != nil {
		return "", failure.New("Storage", "StorageNotOverlayCapable", "The file system of %s (%s) carries neither an overlay (%v) nor fuse-overlayfs (%v). %s.",
			Volume, c.Filesystem, why, err, remedy)
	}
	logs.Say("no overlay can be mounted on %s (%s): using fuse-overlayfs, which is slower", Volume, c.Filesystem)
	return "--storage-driver=" + fuseProgram, nil
}

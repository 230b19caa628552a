package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/mounts"
	"dind.dev/node/internal/volume"
)

// hostPrefix is where the init container sees the directory of the node in which the environment's own must really lie.
var hostPrefix = "/dind-host-prefix"

// ownerFile says who uses the directory, for whoever finds it locked.
const ownerFile = ".dind-owner"

// ownerMax is more than NAMESPACE/NAME and a uid have.
const ownerMax = 512

// ownerChars are those of names and of a uid: whoever has the directory can write there what they like.
const ownerChars = "abcdefghijklmnopqrstuvwxyz0123456789/.- "

// CheckHost asks whether the mounted directory of the node is the one of that name: only the node can know what a path leads to. The kubelet
// follows no link out of the prefix, but one within it leads to the directory of somebody else. Then it is signed.
func CheckHost(asked config.Storage) error {
	if asked.HostDirectory == "" {
		return nil
	}
	failure.Doing("Storage", "HostPathIsSymlink", "Checking the folder of the node")
	found, err := os.Lstat(filepath.Join(hostPrefix, asked.HostDirectory))
	mounted, mountedErr := os.Stat(Volume)
	if err != nil || mountedErr != nil || !found.IsDir() || !os.SameFile(found, mounted) {
		return failure.New("Storage", "HostPathIsSymlink", "storage.hostPath.path leads to another folder of the node than it says: '%s' is a symbolic link "+
			"there, or was one just now. Have the link removed on the node, or choose another folder.", asked.HostDirectory)
	}
	if err := HostFree(asked); err != nil {
		return err
	}
	return sign(asked.Owner)
}

// sign writes the owner anew: a user of the daemon before this one may have put a pipe there, or a link to another file.
func sign(owner string) error {
	file := filepath.Join(Volume, ownerFile)
	os.RemoveAll(file)
	open, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err == nil {
		_, err = open.WriteString(owner + "\n")
		open.Close()
	}
	if err != nil {
		return (&Check{Filesystem: mounts.Filesystem(Volume)}).NotWritable(err)
	}
	return nil
}

// HostFree says whether no other daemon has the directory. The daemon's container holds the lock for as long as it lives.
func HostFree(asked config.Storage) error {
	if asked.HostDirectory == "" {
		return nil
	}
	failure.Doing("Storage", "HostPathInUse", "Asking for the folder of the node")
	descriptor, err := volume.LockFolder(Volume)
	if err == nil {
		return unix.Close(descriptor)
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	return failure.New("Storage", "HostPathInUse", "The folder '%s' of the node is in use by another daemon: of the environment %s. Choose another folder, or "+
		"keep the environments on different nodes by scheduling.nodeSelector.", asked.HostDirectory, owner())
}

func owner() string {
	const unknown = "that is not known"
	// Not blocking, and no link: its user may have put anything there.
	descriptor, err := unix.Open(filepath.Join(Volume, ownerFile), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return unknown
	}
	defer unix.Close(descriptor)
	var about unix.Stat_t
	if unix.Fstat(descriptor, &about) != nil || about.Mode&unix.S_IFMT != unix.S_IFREG {
		return unknown
	}
	text := make([]byte, ownerMax)
	count, _ := unix.Read(descriptor, text)
	line, _, _ := strings.Cut(string(text[:max(count, 0)]), "\n")
	if line == "" || strings.ContainsFunc(line, func(char rune) bool { return !strings.ContainsRune(ownerChars, char) }) {
		return unknown
	}
	return line
}

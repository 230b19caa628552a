// Package loops keeps loop devices of a container from staying attached on the node. Loop devices belong to the node, not to a container. Their
// nodes in a container's /dev are those of its start, while the kernel makes new devices when they are asked for; and a device stays attached when
// the container, and even the pod, is gone. So there are more nodes here than devices, and what was attached from within this container is detached
// when it ends.
//
// Whose a device is the kernel does not say. It says which file is behind it: that file is looked for in the root of each process of this container,
// and in the layers and volumes of its nested containers. What was found is in a file on the docker volume, for the next container of the pod, if
// this one is killed.
package loops

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/mounts"
	"dind.dev/node/internal/periods"
)

const (
	controlDevice = "/dev/loop-control"
	loopMajor     = 7
	// spare are the nodes beyond the devices that are in use at the start: each nested container with --privileged gets a copy of all.
	spare = 64
	// numbers is how many devices are looked at. The kernel takes the lowest number that is free.
	numbers   = 1024
	recordMax = 65536
	bootID    = "/proc/sys/kernel/random/boot_id"
	uevents   = 1
	pathMax   = 4096
)

// numberOf is the N of a name such as loop7, -1 for others.
func numberOf(name string) int {
	digits, ok := strings.CutPrefix(name, "loop")
	if !ok || digits == "" {
		return -1
	}
	for _, char := range []byte(digits) {
		if char < '0' || char > '9' {
			return -1
		}
	}
	number, err := strconv.Atoi(digits)
	if err != nil || number >= numbers {
		return -1
	}
	return number
}

func node(number int) string { return "/dev/loop" + strconv.Itoa(number) }

func block(number int, file string) string {
	return fmt.Sprintf("/sys/block/loop%d/%s", number, file)
}

// readText reads the beginning of a file, which a user of the daemon may have replaced by something else: a link, or a pipe, on which everybody who
// opens it waits.
func readText(path string, most int) []byte {
	file, err := openFile(path, unix.O_RDONLY)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, int64(most)))
	return text
}

// openFile fails for all but a regular file.
func openFile(path string, flags int) (*os.File, error) {
	descriptor, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	var about unix.Stat_t
	if err := unix.Fstat(descriptor, &about); err != nil || about.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(descriptor)
		return nil, fmt.Errorf("%s is no file", path)
	}
	return os.NewFile(uintptr(descriptor), path), nil
}

// file is what is behind a device, as the kernel tells it.
type file struct {
	device, inode uint64
}

// status opens a device and returns its descriptor and what is behind it.
func status(number int) (int, unix.LoopInfo64, error) {
	var info unix.LoopInfo64
	descriptor, err := unix.Open(node(number), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, info, err
	}
	if err := statusIoctl(descriptor, unix.LOOP_GET_STATUS64, &info); err != nil {
		unix.Close(descriptor)
		return -1, info, err
	}
	return descriptor, info, nil
}

func statusIoctl(descriptor int, request uint, info *unix.LoopInfo64) error {
	if _, _, failed := unix.Syscall(unix.SYS_IOCTL, uintptr(descriptor), uintptr(request), uintptr(unsafe.Pointer(info))); failed != 0 {
		return failed
	}
	return nil
}

// Possible says whether this container may use loop devices at all.
func Possible() bool {
	return unix.Access(controlDevice, unix.F_OK) == nil
}

// MakeNodes makes nodes in /dev for the devices that the kernel may still make. A container that was given the node's own /dev needs none.
func MakeNodes() {
	if mounts.Filesystem("/dev") == "devtmpfs" {
		return
	}
	// Of those in use: the kernel takes the lowest that is free, and makes each whose node is opened, as busybox does with all.
	highest := -1
	for _, number := range devices() {
		if number > highest && unix.Access(block(number, "loop"), unix.F_OK) == nil {
			highest = number
		}
	}
	for number := 0; number <= highest+spare && number < numbers; number++ {
		path := node(number)
		if unix.Access(path, unix.F_OK) == nil {
			continue
		}
		// Without the right to make it, there is none to use it either.
		if unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(number)))) != nil {
			return
		}
	}
}

// devices are the numbers of those that the kernel has.
func devices() []int {
	var found []int
	entries, _ := os.ReadDir("/sys/block")
	for _, entry := range entries {
		if number := numberOf(entry.Name()); number >= 0 {
			found = append(found, number)
		}
	}
	return found
}

// --- the record ---

// readRecord are the devices of the record by number, if it is of this start of the node.
func readRecord(path string) map[int]file {
	return parseRecord(string(readText(path, recordMax)), boot())
}

func boot() string {
	return strings.TrimSpace(string(readText(bootID, 64)))
}

func parseRecord(text, boot string) map[int]file {
	found := map[int]file{}
	lines := strings.Split(text, "\n")
	if lines[0] != boot || boot == "" {
		return found
	}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		number, err := strconv.Atoi(fields[0])
		device, failed := strconv.ParseUint(fields[1], 10, 64)
		inode, wrong := strconv.ParseUint(fields[2], 10, 64)
		if err == nil && failed == nil && wrong == nil && number >= 0 && number < numbers {
			found[number] = file{device, inode}
		}
	}
	return found
}

func writeRecord(path string, ours map[int]file) {
	var text bytes.Buffer
	fmt.Fprintln(&text, boot())
	for number := range numbers {
		if each, ok := ours[number]; ok {
			fmt.Fprintf(&text, "%d %d %d\n", number, each.device, each.inode)
		}
	}
	// In place, so that a full volume takes it once there is a block for it.
	to, err := openFile(path, unix.O_WRONLY|unix.O_CREAT)
	if err == nil {
		if _, err = to.WriteAt(text.Bytes(), 0); err == nil {
			err = to.Truncate(int64(text.Len()))
		}
		to.Close()
	}
	if err != nil {
		logs.Say("%s could not be written: loop devices may stay attached on the node if this container is killed", path)
	}
}

// --- the end ---

// Detach has the devices of the record detached: the kernel detaches a device with this flag when nobody has it open any more. With `hold` this
// process has, until it ends in whatever way, so that nested containers use it as before until they have ended, too.
func Detach(record string, hold bool) {
	for number, each := range readRecord(record) {
		descriptor, info, err := status(number)
		if err != nil {
			continue
		}
		same := info.Device == each.device && info.Inode == each.inode
		info.Flags |= unix.LO_FLAGS_AUTOCLEAR
		if !same || statusIoctl(descriptor, unix.LOOP_SET_STATUS64, &info) != nil || !hold {
			unix.Close(descriptor)
		}
	}
}

// --- the watch ---

// device is what is known of one. The zero value is for one that is not attached, or was not looked at.
type device struct {
	// key is of this attachment.
	key uint64
	file
	ours bool
	// told: the kernel told of it. Older ones do so only, and their key may be that of the attachment before.
	told bool
}

type watcher struct {
	record string
	known  [numbers]device
	// layers are the device numbers of overlays, as they are mounted, and before as they were mounted before, until all devices were looked at once:
	// a container's is unmounted when it has ended. Later its number may be that of another pod's.
	layers, before map[uint64]bool
}

// Run writes down the loop devices that are attached from within this container. It runs for ever.
func Run(record string) {
	// Both before the first look: what happens from here on is told.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		table = -1
	}
	wait := []unix.PollFd{{Fd: int32(listen()), Events: unix.POLLIN}, {Fd: int32(table), Events: unix.POLLPRI}}
	w := watcher{record: record}
	for number, each := range readRecord(record) {
		w.known[number] = device{file: each, ours: true}
	}
	w.readLayers()
	w.look()
	for look := int(periods.Get().Look.Milliseconds()); ; {
		ready, err := unix.Poll(wait, look)
		if err == unix.EINTR {
			continue
		}
		changed := wait[1].Revents != 0
		if changed {
			w.readLayers()
		}
		if w.drain(int(wait[0].Fd)) || changed || ready == 0 {
			w.look()
		}
	}
}

// listen: the kernel tells the network namespaces that belong to no user namespace of attached devices; not all versions do. -1 for none.
func listen() int {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return -1
	}
	if unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: uevents}) != nil {
		unix.Close(socket)
		return -1
	}
	return socket
}

// drain reads what the kernel told; true when something was about a loop device, which is then looked at anew.
func (w *watcher) drain(socket int) bool {
	seen := false
	var text [8192]byte
	for socket >= 0 {
		length, _, err := unix.Recvfrom(socket, text[:], 0)
		if err != nil || length <= 0 {
			break
		}
		number, about := ueventOf(text[:length])
		seen = seen || about
		if number >= 0 {
			w.known[number].told = true
		}
	}
	return seen
}

// ueventOf says whether a message is about a loop device, and which one, -1 if that cannot be told.
func ueventOf(text []byte) (int, bool) {
	_, rest, found := bytes.Cut(text, []byte("/block/loop"))
	if !found {
		return -1, false
	}
	name, _, _ := bytes.Cut(rest, []byte{0})
	return numberOf("loop" + string(name)), true
}

// readLayers: overlays have a device number of their own, which nobody shares, and which is taken for as long as a file is open in them.
func (w *watcher) readLayers() {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	w.before, w.layers = w.layers, overlays(string(text))
}

// overlays are the device numbers of the overlays in a table of mounts.
func overlays(text string) map[uint64]bool {
	found := map[uint64]bool{}
	for _, line := range strings.Split(text, "\n") {
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if !ok || len(fields) < 3 || !strings.HasPrefix(right, "overlay ") {
			continue
		}
		high, low, _ := strings.Cut(fields[2], ":")
		major, err := strconv.ParseUint(high, 10, 32)
		minor, failed := strconv.ParseUint(low, 10, 32)
		if err == nil && failed == nil {
			found[unix.Mkdev(uint32(major), uint32(minor))] = true
		}
	}
	return found
}

// look looks at all devices and writes the record when something in it has changed.
func (w *watcher) look() {
	changed := false
	for _, number := range devices() {
		changed = w.lookAt(number) || changed
	}
	if changed {
		ours := map[int]file{}
		for number, each := range w.known {
			if each.ours {
				ours[number] = each.file
			}
		}
		writeRecord(w.record, ours)
	}
	w.before = nil
}

// lookAt returns true when what is in the record of this device has changed.
func (w *watcher) lookAt(number int) bool {
	known := &w.known[number]
	was := *known
	path := strings.TrimSuffix(string(readText(block(number, "loop/backing_file"), pathMax)), "\n")
	if path == "" {
		*known = device{}
		return was.ours
	}
	known.key, known.told = keyOf(number, path), false
	if known.key == was.key && !was.told {
		return false
	}
	descriptor, info, err := status(number)
	if err != nil {
		*known = device{}
		return was.ours
	}
	unix.Close(descriptor)
	known.file = file{info.Device, info.Inode}
	// It is in the record already, and who attached it may be gone. Without a key it is of the record of a container before.
	recorded := was.ours && was.file == known.file && (was.key == 0 || was.key == known.key)
	known.ours = recorded || w.inLayers(known.file) || known.inSomeRoot(path) || w.inSomeVolume(known.file, path)
	if known.ours {
		return !was.ours || was.file != known.file
	}
	return was.ours
}

// keyOf is of the file behind a device and of the turn: the kernel counts those since Linux 5.15, and reports each of them before 5.18.
func keyOf(number int, path string) uint64 {
	hash := fnv.New64a()
	io.WriteString(hash, path)
	hash.Write(readText(block(number, "diskseq"), 32))
	return max(hash.Sum64(), 1)
}

func (w *watcher) inLayers(f file) bool {
	return w.layers[f.device] || w.before[f.device]
}

// is says whether the path below a folder leads to the file.
func (f file) is(folder, path string) bool {
	var about unix.Stat_t
	return unix.Stat(folder+path, &about) == nil && uint64(about.Dev) == f.device && about.Ino == f.inode
}

// below says whether the file is in the folder, which a container had somewhere on the way to it.
func (f file) below(folder, path string) bool {
	for {
		if f.is(folder, path) {
			return true
		}
		next := strings.IndexByte(path[1:], '/')
		if next < 0 {
			return false
		}
		path = path[1+next:]
	}
}

// inSomeRoot says whether the file is where a process of this container has it.
func (f file) inSomeRoot(path string) bool {
	return someEntry("/proc", func(name string) bool { return numeric(name) && f.is("/proc/"+name+"/root", path) })
}

func numeric(name string) bool { return name[0] >= '0' && name[0] <= '9' }

// someEntry says whether an entry of the directory is as wanted. A user may have made a million: they are never all in memory.
func someEntry(directory string, wanted func(name string) bool) bool {
	descriptor, err := unix.Open(directory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	listed := os.NewFile(uintptr(descriptor), directory)
	defer listed.Close()
	for {
		names, err := listed.Readdirnames(128)
		if slices.ContainsFunc(names, wanted) {
			return true
		}
		if err != nil || len(names) == 0 {
			return false
		}
	}
}

// inSomeVolume: of a container that has ended since, its volumes, and what is mounted here, of which it may have had a part.
func (w *watcher) inSomeVolume(f file, path string) bool {
	data := filepath.Dir(w.record)
	if f.inVolumesOf(data, path) {
		return true
	}
	// With userns-remap all is in a folder that is called by the range.
	if someEntry(data, func(name string) bool { return numeric(name) && f.inVolumesOf(filepath.Join(data, name), path) }) {
		return true
	}
	for _, each := range mounts.Table() {
		if each.Point != "/" && f.below(each.Point, path) {
			return true
		}
	}
	return false
}

func (f file) inVolumesOf(data, path string) bool {
	volumes := filepath.Join(data, "volumes")
	return someEntry(volumes, func(name string) bool { return f.below(filepath.Join(volumes, name, "_data"), path) })
}

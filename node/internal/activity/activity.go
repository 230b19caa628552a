// Package activity says whether the daemon is used: by a nested container or a build step, which have groups below the daemon's own, or by a call of
// the Docker API, which begins with a connection. Nothing is put between a client and dockerd: the kernel is asked.
//
// It sets the access time of a socket's file when somebody connects to it. So the file is marked with a time long ago, and when the mark is gone
// somebody has called, however short it was (docker.Mark). This program puts its own mark back: neither its questions nor the probes, which are this
// program, too, are use. A call that is under way counts as long as it lasts, too.
//
// What is told is how long the daemon has been unused: a duration, so that no reader has to compare two clocks.
package activity

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/docker"
	"dind.dev/node/internal/periods"
)

const (
	// stepPart: the time is told again when it has grown by this part (the same in features/lifetime/expiry.py).
	stepPart = 12
	root     = "/sys/fs/cgroup"
	// depth: runc makes one level for a container; more may be made inside.
	depth = 16
)

var (
	// tlsPort is the port of the daemon's endpoint, where it has one, at the end of a local address.
	tlsPort   = []byte(":0948")
	populated = []byte("populated 1")
)

// Watch is what was seen of the daemon's use.
type Watch struct {
	Socket, Group string
	begun, idle   bool
	// seen: connections leave a trace here. A file system may keep no times.
	seen bool
	sign bool
	used time.Time
	next time.Time
	// opens is how many connections were accepted in the pod's network.
	opens uint64
	// buffer is for all files that are read by lines: this is done for ever, and the tables of sockets can be long.
	buffer []byte
}

// Step looks once, and prints a `dind-activity` line when the daemon is used no more, from time to time while that lasts, and when it is used again.
func (w *Watch) Step() {
	now := time.Now()
	if !w.begun {
		w.begin(now)
		return
	}
	if !w.seen {
		return
	}
	if w.isUsed() {
		w.used = now
	}
	w.tell(now)
}

// tell prints a line if there is something new.
func (w *Watch) tell(now time.Time) {
	wait := periods.Get()
	idle := now.Sub(w.used) >= wait.IdleAfter
	if idle == w.idle && (!idle || now.Before(w.next)) {
		return
	}
	w.idle = idle
	w.next = now.Add(min(max(now.Sub(w.used)/stepPart, wait.IdleStepMin), wait.IdleStepMax))
	w.say(now)
}

// begin: what is used from the start is not yet known to be; the first word is that it is used.
func (w *Watch) begin(now time.Time) {
	seen, known := traces(w.Socket)
	if !known {
		return
	}
	w.seen, w.begun = seen, true
	docker.Mark(w.Socket)
	w.isUsed()
	w.used = now
	w.say(now)
}

func (w *Watch) say(now time.Time) {
	seconds := int64(0)
	if w.idle {
		seconds = int64(now.Sub(w.used) / time.Second)
	}
	fmt.Fprintf(os.Stdout, "dind-activity {\"version\":1,\"idle\":%t,\"idleSeconds\":%d,\"seen\":%t}\n", w.idle, seconds, w.seen)
}

// traces says whether connections leave a trace here, and whether that could be tried.
func traces(socket string) (seen, known bool) {
	if err := docker.Mark(socket); err != nil {
		return false, !errors.Is(err, fs.ErrNotExist)
	}
	if !docker.Unused(socket) {
		return false, true
	}
	if !touch(socket) {
		return false, false
	}
	return !docker.Unused(socket), true
}

// touch connects and hangs up at once; dockerd takes no notice of it.
func touch(path string) bool {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(socket)
	return unix.Connect(socket, &unix.SockaddrUnix{Name: path}) == nil
}

// isUsed asks all of it each time, because asking resets the marks.
func (w *Watch) isUsed() bool {
	opens := w.accepted()
	opened := opens != w.opens
	w.opens = opens
	called := w.called()
	return opened || called || w.containers() || w.eachLine("/proc/net/tcp", isConnection) ||
		w.eachLine("/proc/net/tcp6", isConnection)
}

// called: while a probe is under way it looks like any other call: it is connected, and for a moment the mark is gone until the probe puts it back. So a
// call counts when there are signs of one at two checks in a row. No call is missed: the mark of a short one stays away.
func (w *Watch) called() bool {
	_, err := os.Stat(w.Socket)
	gone := err == nil && !docker.Unused(w.Socket)
	sign := gone || w.calls()
	again := sign && w.sign
	w.sign = sign
	if gone && again {
		docker.Mark(w.Socket)
	}
	return again
}

// eachLine calls found with the lines of a file until it returns true; false if it never does. Lines above 64 KiB end it.
func (w *Watch) eachLine(path string, found func(line []byte) bool) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	if w.buffer == nil {
		w.buffer = make([]byte, 4096)
	}
	return scan(file, w.buffer, found)
}

func scan(text io.Reader, buffer []byte, found func(line []byte) bool) bool {
	lines := bufio.NewScanner(text)
	lines.Buffer(buffer, bufio.MaxScanTokenSize)
	for lines.Scan() {
		if found(lines.Bytes()) {
			return true
		}
	}
	return false
}

// containers says whether something runs in the group of nested containers.
func (w *Watch) containers() bool {
	events := root + w.Group + "/cgroup.events"
	if _, err := os.Stat(events); err == nil {
		return w.eachLine(events, func(line []byte) bool { return bytes.Equal(line, populated) })
	}
	// Version 1 has no count of what is below.
	return hasBelow(root+"/pids"+w.Group, depth)
}

func hasBelow(folder string, depth int) bool {
	if hasProcesses(folder) {
		return true
	}
	if depth == 0 {
		return false
	}
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if entry.IsDir() && hasBelow(folder+"/"+entry.Name(), depth-1) {
			return true
		}
	}
	return false
}

func hasProcesses(folder string) bool {
	file, err := os.Open(folder + "/cgroup.procs")
	if err != nil {
		return false
	}
	defer file.Close()
	var first [1]byte
	length, _ := file.Read(first[:])
	return length > 0
}

// calls are connections to the socket that are open, as the side of dockerd shows them: connected, by the name that it was bound to.
func (w *Watch) calls() bool {
	return w.eachLine("/proc/net/unix", func(line []byte) bool { return isCall(line, w.Socket) })
}

func isCall(line []byte, socket string) bool {
	// The last field is a name, which may have blanks.
	before := len(line) - len(socket)
	if before < 1 || line[before-1] != ' ' || string(line[before:]) != socket {
		return false
	}
	fields := bytes.Fields(line)
	return len(fields) > 6 && string(fields[5]) == "03"
}

// isConnection is the same for the daemon's endpoint.
func isConnection(line []byte) bool {
	// Nearly all lines are of others, and are not taken apart.
	if !bytes.Contains(line, tlsPort) {
		return false
	}
	fields := bytes.Fields(line)
	return len(fields) > 3 && string(fields[3]) == "01" && bytes.HasSuffix(fields[1], tlsPort)
}

// accepted is how many connections were accepted in the pod's network, ever: by dockerd, what it publishes, and workloads beside it.
func (w *Watch) accepted() uint64 {
	place, count := -1, uint64(0)
	w.eachLine("/proc/net/snmp", func(line []byte) bool { return passiveOpens(line, &place, &count) })
	return count
}

// passiveOpens takes the lines of the table in their order: one of TCP has the names, the next one the numbers. True after that one.
func passiveOpens(line []byte, place *int, count *uint64) bool {
	if !bytes.HasPrefix(line, []byte("Tcp:")) {
		return false
	}
	fields := strings.Fields(string(line))
	if *place < 0 {
		*place = max(slices.Index(fields, "PassiveOpens"), 0)
		return false
	}
	if *place < len(fields) {
		*count, _ = strconv.ParseUint(fields[*place], 10, 64)
	}
	return true
}

// Main runs `dind-node activity SOCKET CGROUP`.
func Main(arguments []string) int {
	if len(arguments) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dind-node activity SOCKET CGROUP")
		return 2
	}
	for watch, look := (Watch{Socket: arguments[0], Group: arguments[1]}), periods.Get().Look; ; time.Sleep(look) {
		watch.Step()
	}
}

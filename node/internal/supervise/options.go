// Package supervise is PID 1 of the daemon's container. `dind-node init` starts dockerd, passes signals on to it, reaps what is
// orphaned (shims, build steps), ends with dockerd's status, and leaves dockerd's last lines in the termination message when it failed.
// What looks after the daemon runs beside it in one more process, `dind-node tasks`, which is started again when something ends it: a
// panic there, or the kernel's choice of it for want of memory, never ends the daemon.
package supervise

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// options are the same for init and tasks.
type options struct {
	message     string // file of the termination message; none if empty
	docker      string // version of Docker, for that message
	report      string // socket of the daemon
	group       string // cgroup-parent of nested containers
	limit       string // memory limit that the group's own was made from, in bytes
	reserve     string // bytes that nested containers are not given
	volume      string // directory of the docker volume
	lock        string // directory that is locked as long as this process lives
	loops       string // file that loop devices are recorded in
	dns         string // address of the forwarder
	preload     string // names of images, with blanks between
	preloaded   string // file that is made when they are there
	credentials string // file with credentials of registries
	command     []string
	// flags are the options as they were given, for the other process.
	flags []string
}

const usage = "usage: dind-node init [--message FILE] [--docker VERSION] [--report SOCKET] [--group CGROUP] [--limit BYTES]" +
	" [--reserve BYTES] [--volume DIRECTORY] [--lock DIRECTORY] [--loops FILE] [--dns ADDRESS]" +
	" [--preload IMAGES --preloaded FILE] [--credentials FILE] -- COMMAND..."

func parse(arguments []string) (options, bool) {
	var o options
	known := map[string]*string{
		"--message": &o.message, "--docker": &o.docker, "--report": &o.report, "--group": &o.group, "--limit": &o.limit,
		"--reserve": &o.reserve, "--volume": &o.volume, "--lock": &o.lock, "--loops": &o.loops, "--dns": &o.dns,
		"--preload": &o.preload, "--preloaded": &o.preloaded, "--credentials": &o.credentials,
	}
	next := 0
	for ; next+1 < len(arguments) && arguments[next] != "--"; next += 2 {
		value, ok := known[arguments[next]]
		if !ok {
			return o, false
		}
		*value = arguments[next+1]
	}
	if next+1 >= len(arguments) || arguments[next] != "--" || o.group != "" && !strings.HasPrefix(o.group, "/") {
		return o, false
	}
	o.flags, o.command = arguments[:next], arguments[next+1:]
	return o, true
}

// number reads a number of bytes; 0 for none.
func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// say writes one line, in one write.
func say(to io.Writer, format string, values ...any) {
	io.WriteString(to, fmt.Sprintf(format, values...)+"\n")
}

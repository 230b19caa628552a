// Package runc stands before runc, under its name in the first folder of PATH, and is called by the containerd shim and by BuildKit. It asks less of
// runc than dockerd does where this container may not do all of that, gives a container without a limit of its own what all may have together, and
// adds the proxy's variables. dockerd cannot be told any of it.
package runc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/userns"
)

const (
	settingsFile = "settings.json"
	// configMax is far more than dockerd writes.
	configMax = 16 << 20
	// noLimit: version 1 of cgroups writes "no limit" as a number just below 2^63.
	noLimit = 1 << 60
	// exitNotFound is the status of a shell for a program that is not there.
	exitNotFound = 127
)

// Settings are beside the link with the name runc.
type Settings struct {
	// KeepOOMScore: without CAP_SYS_RESOURCE on the node the kernel refuses an oom_score_adj below this process's own, and dockerd asks for 0: no
	// nested container would start.
	KeepOOMScore bool `json:"keepOOMScore,omitempty"`
	// MemoryLimitFile has what nested containers may have together, in bytes. It is read each time: a pod may be given more while it runs.
	MemoryLimitFile string `json:"memoryLimitFile,omitempty"`
	// Proxy are variables as NAME=VALUE. They may contain a password.
	Proxy []string `json:"proxy,omitempty"`
}

// Main does what is to be done for a call and goes on as runc. The arguments are those of the process. Nothing that goes wrong here keeps a container
// from starting: runc is called with what there is.
func Main(arguments []string) int {
	folder, rest := own(os.Getenv("PATH"))
	if err := prepare(folder, arguments[1:]); err != nil {
		tell("a container is started as dockerd asked for it: %v", err)
	}
	path := find(rest, "runc")
	if path == "" {
		fmt.Fprintf(os.Stderr, "runc: not found in PATH (%s)\n", rest)
		return exitNotFound
	}
	os.Setenv("PATH", rest)
	err := syscall.Exec(path, arguments, os.Environ())
	fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
	return 126
}

// own finds the folder in PATH whose runc is this program, and PATH without it.
func own(path string) (folder, rest string) {
	self, err := os.Stat("/proc/self/exe")
	var kept []string
	for _, each := range filepath.SplitList(path) {
		about, failed := os.Stat(filepath.Join(each, "runc"))
		if err == nil && failed == nil && os.SameFile(self, about) {
			folder = each
			continue
		}
		kept = append(kept, each)
	}
	return folder, strings.Join(kept, ":")
}

func find(path, name string) string {
	for _, folder := range filepath.SplitList(path) {
		file := filepath.Join(folder, name)
		if unix.Access(file, unix.X_OK) == nil {
			return file
		}
	}
	return ""
}

// tell writes to the log of the container: what runc prints goes to dockerd alone. PID 1 is this program, and holds the log.
func tell(format string, values ...any) {
	self, err := os.Stat("/proc/self/exe")
	first, failed := os.Stat("/proc/1/exe")
	if err != nil || failed != nil || !os.SameFile(self, first) {
		return
	}
	log, err := os.OpenFile("/proc/1/fd/2", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer log.Close()
	io.WriteString(log, "dind: "+fmt.Sprintf(format, values...)+"\n")
}

// prepare changes the files that a call names.
func prepare(folder string, arguments []string) error {
	bundle, process := named(arguments)
	if bundle == "" && process == "" {
		return nil
	}
	settings, err := readSettings(folder)
	if err != nil {
		return err
	}
	if bundle != "" {
		if err := rewrite(filepath.Join(bundle, "config.json"), settings.changeContainer); err != nil {
			return err
		}
	}
	if process != "" {
		return rewrite(process, settings.changeProcess)
	}
	return nil
}

// named are the folder of a container and the file of a process that a call has.
func named(arguments []string) (bundle, process string) {
	previous := ""
	for _, word := range arguments {
		switch previous {
		case "--bundle", "-b":
			bundle = word
		case "--process", "-p":
			process = word
		}
		if value, ok := strings.CutPrefix(word, "--bundle="); ok {
			bundle = value
		}
		if value, ok := strings.CutPrefix(word, "--process="); ok {
			process = value
		}
		previous = word
	}
	return bundle, process
}

func readSettings(folder string) (Settings, error) {
	var settings Settings
	text, err := os.ReadFile(filepath.Join(folder, settingsFile))
	if err != nil {
		return settings, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return settings, decoder.Decode(&settings)
}

// --- the files ---

type object = map[string]any

// rewrite changes a file of JSON if `change` returns true. What is missing or no JSON stays as it is: runc says what is wrong with it.
func rewrite(path string, change func(object) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil || !about.Mode().IsRegular() || about.Size() > configMax {
		return nil
	}
	decoder := json.NewDecoder(io.LimitReader(file, configMax))
	// Numbers stay as they are written: some have 64 bits.
	decoder.UseNumber()
	var content object
	if decoder.Decode(&content) != nil || content == nil || !change(content) {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		return err
	}
	return replace(path, text.Bytes(), about.Mode().Perm())
}

// replace writes beside the file and puts that in its place.
func replace(path string, text []byte, permissions os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".dind-")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Chmod(permissions), temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		os.Remove(temporary.Name())
	}
	return err
}

// member is an object in another; nil if there is none.
func member(of object, name string) object {
	found, _ := of[name].(object)
	return found
}

// changeContainer changes a config.json; true if something has changed.
func (s Settings) changeContainer(config object) bool {
	process := member(config, "process")
	// All of them: each changes something else.
	changes := []bool{
		s.KeepOOMScore && keepOOMScore(process, ownOOMScore()),
		lowerLimits(process),
		userns.Inside() && keepSysfsReadOnly(config),
		s.addProxy(process),
		s.limitMemory(config),
	}
	return slices.Contains(changes, true)
}

// changeProcess changes the file of a process that enters a container.
func (s Settings) changeProcess(process object) bool {
	changes := []bool{s.addProxy(process), lowerLimits(process)}
	return slices.Contains(changes, true)
}

func ownOOMScore() int64 {
	text, _ := os.ReadFile("/proc/self/oom_score_adj")
	score, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return score
}

// keepOOMScore asks for no less than what this process has.
func keepOOMScore(process object, own int64) bool {
	asked, ok := process["oomScoreAdj"].(json.Number)
	if !ok {
		return false
	}
	if value, err := asked.Int64(); err != nil || value >= own {
		return false
	}
	process["oomScoreAdj"] = own
	return true
}

// keepSysfsReadOnly: in a user namespace sysfs may be mounted anew only as the container's own is, read-only, and `--privileged` asks for a writable
// one. There is nothing in it that root of a user namespace could write.
func keepSysfsReadOnly(config object) bool {
	changed := false
	mounts, _ := config["mounts"].([]any)
	for _, each := range mounts {
		mount, _ := each.(object)
		options, ok := mount["options"].([]any)
		if mount["type"] == "sysfs" && ok && !slices.Contains(options, any("ro")) {
			mount["options"], changed = append([]any{"ro"}, options...), true
		}
	}
	return changed
}

// addProxy adds the variables before the container's own, which count.
func (s Settings) addProxy(process object) bool {
	if process == nil || len(s.Proxy) == 0 {
		return false
	}
	own, _ := process["env"].([]any)
	variables := make([]any, 0, len(s.Proxy)+len(own))
	for _, each := range s.Proxy {
		variables = append(variables, each)
	}
	process["env"] = append(variables, own...)
	return true
}

// limitMemory: a nested container without a limit of its own gets what all of them may have together. That is no less than it had, and programs that
// ask their cgroup how much memory there is are told of the pod's, not of the node's.
func (s Settings) limitMemory(config object) bool {
	resources := member(member(config, "linux"), "resources")
	if resources == nil || s.MemoryLimitFile == "" {
		return false
	}
	text, _ := os.ReadFile(s.MemoryLimitFile)
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || limit >= noLimit {
		return false
	}
	memory := member(resources, "memory")
	if _, given := memory["limit"]; given {
		return false
	}
	if memory == nil {
		memory = object{}
		resources["memory"] = memory
	}
	memory["limit"] = limit
	return true
}

// --- ulimits ---

// resources by their names in config.json.
var resources = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_DATA": unix.RLIMIT_DATA,
	"RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME": unix.RLIMIT_RTTIME, "RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

// lowerLimits lowers limits (`docker run --ulimit`) to the most that may be had: without CAP_SYS_RESOURCE on the node nobody may have a hard limit
// above this process's own, and no container that asks for one would start. It is tried: what the kernel allows stays.
func lowerLimits(process object) bool {
	changed := false
	limits, _ := process["rlimits"].([]any)
	for _, each := range limits {
		limit, _ := each.(object)
		name, _ := limit["type"].(string)
		hard, soft := unsigned(limit["hard"]), unsigned(limit["soft"])
		most, ok := allowed(name, hard)
		if !ok {
			continue
		}
		tell("the limit %s of a container is lowered from %d to %d: this container lacks CAP_SYS_RESOURCE on the node", name, hard, most)
		limit["hard"], limit["soft"] = most, min(soft, most)
		changed = true
	}
	return changed
}

func unsigned(value any) uint64 {
	text, _ := value.(json.Number)
	number, _ := strconv.ParseUint(string(text), 10, 64)
	return number
}

// allowed is the most that may be had of a resource, true if that is less than what is asked for.
func allowed(name string, asked uint64) (uint64, bool) {
	resource, known := resources[name]
	var own unix.Rlimit
	if !known || unix.Prlimit(0, resource, nil, &own) != nil || asked <= own.Max {
		return 0, false
	}
	// The hard limit alone: a soft one below it may always be had.
	if unix.Prlimit(0, resource, &unix.Rlimit{Cur: own.Cur, Max: asked}, nil) != nil {
		return own.Max, true
	}
	// runc is started with what it would have had.
	unix.Prlimit(0, resource, &own, nil)
	return 0, false
}

package supervise

import (
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/activity"
	"dind.dev/node/internal/forward"
	"dind.dev/node/internal/isolation"
	"dind.dev/node/internal/limits"
	"dind.dev/node/internal/loops"
	"dind.dev/node/internal/periods"
	"dind.dev/node/internal/preload"
	"dind.dev/node/internal/report"
	"dind.dev/node/internal/volume"
)

// --- in init: the process of the tasks ---

// tasks is the process beside the command, seen from init.
type tasks struct {
	flags []string
	pid   int
	// due fires when the process is to be started again.
	due     *time.Timer
	started time.Time
	pause   time.Duration
	idle    bool
}

func newTasks(o options) *tasks {
	t := &tasks{flags: o.flags, due: time.NewTimer(time.Hour), idle: len(o.tasks()) == 0}
	t.due.Stop()
	return t
}

// startIfDue starts the process. It ends with this one, however this one ends.
func (t *tasks) startIfDue() {
	if t.idle || t.pid != 0 {
		return
	}
	again := "first"
	if !t.started.IsZero() {
		again = "again"
	}
	command := append([]string{"dind-node", "tasks", again}, append(t.flags, "--", "none")...)
	pid, err := syscall.ForkExec("/proc/self/exe", command, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	t.started = time.Now()
	if err != nil {
		t.due.Reset(pauseMin)
		return
	}
	t.pid = pid
}

// ended notes how the process ended: by itself, and so with nothing left to do; or not, and then it is due again after a pause.
func (t *tasks) ended(status syscall.WaitStatus) {
	t.pid = 0
	if status == 0 {
		t.idle = true
		return
	}
	what := "exited with status"
	if status.Signaled() {
		what = "was ended by signal"
	}
	t.pause = nextPause(t.pause, time.Since(t.started))
	say(os.Stderr, "dind: the process that looks after the daemon %s %d, and is started again", what, exitStatus(status)%128)
	t.due.Reset(t.pause)
}

func (t *tasks) kill() {
	if t.pid > 0 {
		syscall.Kill(t.pid, unix.SIGKILL)
	}
}

// nextPause follows a pause after which something ran for a time.
func nextPause(last, ran time.Duration) time.Duration {
	if last == 0 || ran > pauseMax {
		return pauseMin
	}
	return min(2*last, pauseMax)
}

// --- in the process of the tasks ---

// task is one thing that is done beside the command. `again` is true when it was ended before: it does not know what was said then.
type task struct {
	what string
	run  func(again bool)
}

// tasks are those that the options ask for.
func (o options) tasks() []task {
	var found []task
	add := func(wanted bool, what string, run func(bool)) {
		if wanted {
			found = append(found, task{what, run})
		}
	}
	add(o.report != "", "tells of the daemon", o.tell)
	add(o.group != "" && o.reserve != "", "follows the pod's limits", func(bool) {
		limits.Run(o.group, number(o.limit), number(o.reserve))
	})
	add(o.dns != "", "resolves for nested containers", func(bool) { forward.Run(o.dns) })
	add(o.loops != "", "watches loop devices", func(bool) { loops.Run(o.loops) })
	add(o.report != "" && o.preload != "" && o.preloaded != "", "preloads images", func(bool) {
		preload.Run(preload.Preload{Socket: o.report, Images: o.preload, Credentials: o.credentials, Marker: o.preloaded})
	})
	return found
}

// TasksMain runs `dind-node tasks first|again OPTION... -- none`, which only init starts. It ends when nothing is left to do.
func TasksMain(arguments []string) int {
	if len(arguments) == 0 {
		return exitUsage
	}
	o, ok := parse(arguments[1:])
	if !ok {
		return exitUsage
	}
	small()
	// It was started by another name, which leads to the program even when its file was replaced.
	unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(unsafe.StringData("dind-node\x00"))), 0, 0, 0)
	// A log that nobody reads any more is no reason to end.
	signal.Ignore(unix.SIGPIPE)
	var all sync.WaitGroup
	for _, each := range o.tasks() {
		all.Add(1)
		go func() {
			defer all.Done()
			keep(each, arguments[0] == "again", time.Sleep)
		}()
	}
	all.Wait()
	return 0
}

// keep runs a task until it has nothing left to do. One that panics is told of and run again after a pause.
func keep(each task, again bool, sleep func(time.Duration)) {
	var pause time.Duration
	for {
		started := time.Now()
		if finished(each, again) {
			return
		}
		again, pause = true, nextPause(pause, time.Since(started))
		sleep(pause)
	}
}

func finished(each task, again bool) (ok bool) {
	defer func() {
		if failure := recover(); failure != nil {
			say(os.Stderr, "dind: what %s failed, and is started again: %v\n%s", each.what, failure, debug.Stack())
		}
	}()
	each.run(again)
	return true
}

// tell says once what daemon it is and whether its containers are inside, and then for ever what no event tells: whether the volume is
// full, and whether the daemon is used.
func (o options) tell(again bool) {
	report.Run(o.report)
	refused := o.group != "" && isolation.Run(o.report, o.group)
	if o.volume == "" && o.group == "" {
		return
	}
	// One that follows another says how it is, whatever that be.
	space := volume.Watch{Path: o.volume, Full: again}
	use := activity.Watch{Socket: o.report, Group: o.group}
	checked := time.Now()
	for wait := periods.Get(); ; time.Sleep(wait.Look) {
		if o.volume != "" {
			space.Step()
		}
		if o.group != "" {
			use.Step()
		}
		// What is wrong may pass, such as a full disk.
		if refused && time.Since(checked) >= wait.CheckAgain {
			refused = isolation.Run(o.report, o.group)
			checked = time.Now()
		}
	}
}

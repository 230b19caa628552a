package supervise

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/loops"
	"dind.dev/node/internal/volume"
)

const (
	exitUsage = 2
	// exitOwn is the status of this program's own failures before the command runs; docker and env use the same number.
	exitOwn = 125
)

// The pause before the tasks are started again is doubled from one time to the next, for what dies of something that does not pass.
const (
	pauseMin = time.Second
	pauseMax = time.Minute
)

// Main runs `dind-node init`; the arguments are those behind that word. It returns the exit status.
func Main(arguments []string) int {
	o, ok := parse(arguments)
	if !ok {
		say(os.Stderr, usage)
		return exitUsage
	}
	small()
	if o.lock != "" {
		// Held by this process, and so until the daemon has ended, in whatever way.
		if _, err := volume.LockFolder(o.lock); err != nil {
			say(os.Stderr, "dind-node init: cannot lock %s: %v", o.lock, err)
			return exitOwn
		}
	}
	if o.loops != "" && loops.Possible() {
		loops.MakeNodes()
		// Those that a container left that was killed.
		loops.Detach(o.loops, false)
	} else {
		o.loops = ""
	}
	// Outside of a container's PID 1 orphans come here, too.
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	signals, children := make(chan os.Signal, 64), make(chan os.Signal, 1)
	signal.Notify(signals)
	signal.Notify(children, unix.SIGCHLD)
	spareThreads()

	s := supervisor{options: o, tasks: newTasks(o)}
	if err := s.start(); err != nil {
		say(os.Stderr, "dind-node init: %v", err)
		return exitOwn
	}
	status := s.supervise(signals, children)
	if o.loops != "" {
		loops.Detach(o.loops, true)
	}
	s.tasks.kill()
	s.leaveMessage(status)
	return exitStatus(status)
}

// small keeps the heap of a process that lives as long as the daemon near what is used of it.
func small() {
	debug.SetGCPercent(20)
}

// spareThreads makes the threads now that the runtime may want later: where the pod may have no more processes, it would end this one.
func spareThreads() {
	const spare = 6
	var all, made sync.WaitGroup
	all.Add(1)
	for range spare {
		made.Add(1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			made.Done()
			all.Wait()
		}()
	}
	made.Wait()
	all.Done()
}

type supervisor struct {
	options
	tail  *tail
	tasks *tasks
	// The command's process, and how it ended.
	child  int
	status syscall.WaitStatus
	done   bool
}

// start runs the command, with its stderr through the tail, and the tasks.
func (s *supervisor) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	s.tail = follow(read)
	path, err := exec.LookPath(s.command[0])
	if err == nil {
		s.child, err = syscall.ForkExec(path, s.command, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, write.Fd()}})
	}
	if err != nil {
		// Told as a shell does it.
		say(write, "dind-node: cannot run %s: %s", s.command[0], reason(err))
		s.status, s.done = exited(cannotRun(err)), true
		return nil
	}
	s.tasks.startIfDue()
	return nil
}

// cannotRun is the status of a shell for a command that it cannot start.
func cannotRun(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return 127
	}
	return 126
}

// reason is an error without the words that Go puts in front.
func reason(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// exited is what wait(2) tells of a process that ended with the status.
func exited(status int) syscall.WaitStatus {
	return syscall.WaitStatus(status << 8)
}

func exitStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// supervise returns the status of the child when it has ended.
func (s *supervisor) supervise(signals, children <-chan os.Signal) syscall.WaitStatus {
	for !s.done {
		select {
		case got := <-signals:
			s.pass(got.(syscall.Signal))
		case <-children:
			s.reap()
		case <-s.tasks.due.C:
			s.tasks.startIfDue()
		}
	}
	return s.status
}

// pass hands a signal on, but for those that are this process's own: the runtime sends itself one, and a log without a reader another.
func (s *supervisor) pass(got syscall.Signal) {
	switch got {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
		return
	}
	syscall.Kill(s.child, got)
	// From here on this process may be killed before the daemon has ended.
	if got == unix.SIGTERM && s.loops != "" {
		loops.Detach(s.loops, true)
	}
}

// reap takes whatever has ended.
func (s *supervisor) reap() {
	for {
		var ended syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ended, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		switch pid {
		case s.child:
			s.status, s.done = ended, true
		case s.tasks.pid:
			s.tasks.ended(ended)
		}
	}
}

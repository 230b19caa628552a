// Package failure is how the program says why the daemon cannot work here: in one sentence for people, and with a check and a reason for
// the operator, which reads them in the termination message.
package failure

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"dind.dev/node/internal/jsontext"
	"dind.dev/node/internal/logs"
)

// messageMax leaves room for the rest of a report: the kubelet keeps 4096 bytes of it all.
const messageMax = 2800

// Failure ends the program. The message says what is wrong, where, and what to do.
type Failure struct {
	Check, Reason, Message string
}

func (f *Failure) Error() string { return f.Message }

// JSON is the member `error` of both reports.
func (f *Failure) JSON() string {
	return fmt.Sprintf(`{"check":%s,"reason":%s,"message":"%s"}`, jsontext.Quote(f.Check), jsontext.Quote(f.Reason),
		jsontext.EscapeFirst(f.Message, messageMax))
}

// New makes one.
func New(check, reason, format string, values ...any) error {
	return &Failure{check, reason, fmt.Sprintf(format, values...)}
}

var (
	lock    sync.Mutex
	current = Failure{"Daemon", "ReportFailed", "Starting"}
)

// Doing says what is being done, so that whatever goes wrong unexpectedly is told in its terms.
func Doing(check, reason, what string) {
	lock.Lock()
	defer lock.Unlock()
	current = Failure{check, reason, what}
}

// Of is the error as a Failure: itself, or of what was being done.
func Of(err error) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	lock.Lock()
	defer lock.Unlock()
	return &Failure{current.Check, current.Reason, fmt.Sprintf("%s stopped unexpectedly: %v. The lines above in this container's log may say why.",
		current.Message, err)}
}

// --- where a kubelet reads ---

// terminationLog is where Kubernetes reads why a container ended. Without a kubelet there is no such file, and none is made.
func terminationLog() string {
	if path := os.Getenv("DIND_TERMINATION_LOG"); path != "" {
		return path
	}
	return "/dev/termination-log"
}

// Kubelet says whether one reads what went wrong; without one there is no spec to correct.
func Kubelet() bool { return MessageFile() != "" }

// MessageFile is the file of the termination message, empty if there is none.
func MessageFile() string {
	if _, err := os.Stat(terminationLog()); err != nil {
		return ""
	}
	return terminationLog()
}

// Remedy is the one with a kubelet or the other without.
func Remedy(with, without string) string {
	if Kubelet() {
		return with
	}
	return without
}

// Terminate writes the termination message, where there is a file for it.
func Terminate(text string) {
	file := MessageFile()
	if file == "" {
		return
	}
	if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
		logs.Say("cannot write %s: %v", file, err)
	}
}

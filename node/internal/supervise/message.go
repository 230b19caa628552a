package supervise

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/jsontext"
)

const (
	// messageMax is what the kubelet keeps of a termination message, in bytes.
	messageMax = 4096
	// versionMax is more than any version of Docker has.
	versionMax = 255
)

// leaveMessage writes the termination message of a command that failed, where there is a file for it.
func (s *supervisor) leaveMessage(status syscall.WaitStatus) {
	text := s.tail.finish()
	if s.message == "" || status == 0 {
		return
	}
	// The kubelet mounts a file for it; where there is none, nobody would read one.
	file, err := os.OpenFile(s.message, unix.O_WRONLY|unix.O_TRUNC, 0)
	if err == nil {
		_, err = file.WriteString(message(s.docker, status, text))
		file.Close()
	}
	if err != nil {
		say(os.Stderr, "dind-node: the termination message was not written: %v", err)
	}
}

// message is the JSON for a command that ended so: valid and never longer than the kubelet keeps it, whatever the text has.
func message(docker string, status syscall.WaitStatus, text []byte) string {
	number := 0
	if status.Signaled() {
		number = int(status.Signal())
	}
	head := fmt.Sprintf(`{"version":1,"docker":"%s","exitCode":%d,"signal":%d,"tail":"`,
		jsontext.EscapeFirst(docker, versionMax), exitStatus(status), number)
	const end = `"}`
	for {
		escaped := jsontext.Escape(text)
		if len(head)+len(escaped)+len(end) <= messageMax {
			return head + escaped + end
		}
		// Escapes make text longer: the oldest part gives way.
		text = text[min(64, len(text)):]
	}
}

package supervise

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tailMax is how much of dockerd's last lines goes into the termination message: a screenful, with room for escapes.
	tailMax = 2000
	// drain is the time that is waited for what is still in the pipe: dockerd's own children may hold it open.
	drain = 300 * time.Millisecond
)

// tail copies dockerd's stderr to the log of the container and keeps the end of it: the termination message has it even where the log
// is gone or may not be read.
type tail struct {
	lock sync.Mutex
	kept []byte
	cut  bool
	done chan struct{}
}

// follow copies all that comes from the pipe until its end.
func follow(pipe *os.File) *tail {
	t := &tail{kept: make([]byte, 0, tailMax), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		buffer := make([]byte, 16384)
		for {
			got, err := pipe.Read(buffer)
			if err != nil {
				return
			}
			t.keep(buffer[:got])
			put(buffer[:got])
			if sentence := explanation(buffer[:got]); sentence != "" {
				put([]byte(sentence))
			}
		}
	}()
	return t
}

func (t *tail) keep(text []byte) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if over := len(text) - tailMax; over > 0 {
		text, t.cut = text[over:], true
	}
	if over := len(t.kept) + len(text) - tailMax; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	t.kept = append(t.kept, text...)
}

// finish waits shortly for what is still in the pipe and returns what was kept, from the beginning of a line on if it has more than one.
func (t *tail) finish() []byte {
	select {
	case <-t.done:
	case <-time.After(drain):
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	text := append([]byte(nil), t.kept...)
	if t.cut {
		for i, char := range text[:max(len(text)-1, 0)] {
			if char == '\n' {
				return text[i+1:]
			}
		}
	}
	return text
}

// put writes to the log. Its reader may be gone: the daemon must not feel that. Whoever else holds it may have made it non-blocking.
func put(text []byte) {
	for len(text) > 0 {
		written, err := unix.Write(2, text)
		if err == unix.EAGAIN {
			_, err = unix.Poll([]unix.PollFd{{Fd: 2, Events: unix.POLLOUT}}, -1)
			written = 0
		}
		if err != nil && err != unix.EINTR {
			return
		}
		text = text[max(written, 0):]
	}
}

// explanation says what a sentence of dockerd's means in a pod: of a layer that it cannot unpack in a user namespace. Its advice,
// /etc/subuid, is for one that a user has made.
func explanation(text []byte) string {
	if !strings.Contains(string(text), "/etc/subuid") {
		return ""
	}
	table, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return ""
	}
	return explanationOf(string(table))
}

// explanationOf is the sentence for a user namespace with this uid_map; none outside of any, where all IDs are.
func explanationOf(table string) string {
	var inner, outer, count uint64
	if _, err := fmt.Sscan(table, &inner, &outer, &count); err != nil || count == 0 || count >= 1<<32-1 {
		return ""
	}
	return fmt.Sprintf("dind: a file belongs to a user or group ID that this pod does not have: the user namespace of the pod has the IDs 0 "+
		"to %d, and /etc/subuid has no effect in it. Build the image with IDs in this range, or use another "+
		"security.mode. The kubelet sets the range (userNamespaces.idsPerPod).\n", count-1)
}

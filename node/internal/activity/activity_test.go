package activity

import (
	"net"
	"strings"
	"testing"
	"time"

	"dind.dev/node/internal/docker"
	"dind.dev/node/internal/testbox"
)

func TestCalls(t *testing.T) {
	const socket = "/run/dind/docker.sock"
	for line, want := range map[string]bool{
		"ffff8880: 00000003 00000000 00000000 0001 03 123 /run/dind/docker.sock":   true,
		"ffff8880: 00000002 00000000 00010000 0001 01 123 /run/dind/docker.sock":   false,
		"ffff8880: 00000003 00000000 00000000 0001 03 123 /x/run/dind/docker.sock": false,
		"ffff8880: 00000003 00000000 00000000 0001 03 123":                         false,
		"Num       RefCount Protocol Flags    Type St Inode Path":                  false,
		" /run/dind/docker.sock": false,
	} {
		if got := isCall([]byte(line), socket); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestConnections(t *testing.T) {
	for line, want := range map[string]bool{
		"  0: 0100007F:0948 0200007F:9C40 01 00000000:00000000 00:00000000 00000000  0 0 1": true,
		"  0: 0100007F:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1": false,
		"  0: 0100007F:9C40 0200007F:0948 01 00000000:00000000 00:00000000 00000000  0 0 1": false,
		"  sl  local_address rem_address   st":                                              false,
		"":                                                                                  false,
	} {
		if got := isConnection([]byte(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestLinesOfOthersTakeNoMemory(t *testing.T) {
	const line = "  0: 0100007F:9C40 0200007F:1F90 01 /run/x.sock\n"
	text, buffer := strings.Repeat(line, 1000), make([]byte, 4096)
	took := testing.AllocsPerRun(10, func() {
		scan(strings.NewReader(text), buffer, func(line []byte) bool { return isConnection(line) || isCall(line, "/run/docker.sock") })
	})
	if took > 10 {
		t.Error(took)
	}
}

func opens(text string) (count uint64) {
	place := -1
	scan(strings.NewReader(text), make([]byte, 64), func(line []byte) bool { return passiveOpens(line, &place, &count) })
	return count
}

func TestPassiveOpens(t *testing.T) {
	text := "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm ActiveOpens PassiveOpens AttemptFails\nTcp: 1 17 42 3\nUdp: x\n"
	if got := opens(text); got != 42 {
		t.Error(got)
	}
	for _, text := range []string{"", "Tcp: PassiveOpens", "Tcp: PassiveOpens\nTcp:", "Tcp: PassiveOpens\nTcp: x"} {
		if got := opens(text); got != 0 {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestIdlenessIsToldAgainWhenItHasGrownByAPart(t *testing.T) {
	start := time.Unix(1e9, 0)
	w := Watch{begun: true, seen: true, used: start}
	var told []time.Duration
	for minutes := range 24 * 60 {
		before := w.next
		w.tell(start.Add(time.Duration(minutes) * time.Minute))
		if w.next != before {
			told = append(told, time.Duration(minutes)*time.Minute)
		}
	}
	if told[0] != time.Minute || told[1] != 2*time.Minute || len(told) < 24*60/12 || len(told) > 24*60/8 {
		t.Error(told)
	}
	if last := told[len(told)-1] - told[len(told)-2]; last != 10*time.Minute {
		t.Error(last)
	}
	w.used = start.Add(24 * time.Hour)
	w.tell(w.used)
	if w.idle {
		t.Error("it is used again")
	}
}

func FuzzTables(f *testing.F) {
	f.Add("  0: 0100007F:0948 0200007F:9C40 01\nTcp: PassiveOpens\nTcp: 1")
	f.Fuzz(func(t *testing.T, text string) {
		opens(text)
		scan(strings.NewReader(text), make([]byte, 64), func(line []byte) bool { return isConnection(line) && isCall(line, "/s") })
	})
}

// A call that is over when it is looked for leaves its mark, and is seen at the second look. A probe is under way at one look at most.
func TestACallIsUseAndAProbeIsNone(t *testing.T) {
	if !testbox.Inside(t, "mount -t tmpfs t /mnt") {
		return
	}
	const path = "/mnt/docker.sock"
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := Watch{Socket: path}
	mark := func() { docker.Mark(path) }
	call := func() { touch(path) }
	for _, each := range []struct {
		name   string
		before []func()
		want   bool
	}{
		{"nothing", []func(){mark}, false},
		{"a probe between two looks", []func(){call, mark}, false},
		{"a probe is under way", []func(){call}, false},
		{"and over", []func(){mark}, false},
		{"a call", []func(){call}, false},
		{"the second look", nil, true},
		{"it was marked again", nil, false},
		{"a call", []func(){call}, false},
		{"and a probe before the second look, which puts its own mark back only if there was one", []func(){call}, true},
	} {
		for _, step := range each.before {
			step()
		}
		if got := w.called(); got != each.want {
			t.Errorf("%s: %t", each.name, got)
		}
	}
}

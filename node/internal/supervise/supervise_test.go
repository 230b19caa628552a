package supervise

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

func TestOptions(t *testing.T) {
	good := [][]string{
		{"--", "true"},
		{"--report", "/s", "--group", "/docker", "--", "dockerd", "--", "x"},
	}
	for _, arguments := range good {
		if _, ok := parse(arguments); !ok {
			t.Errorf("%q is refused", arguments)
		}
	}
	bad := [][]string{{}, {"--"}, {"true"}, {"--message"}, {"--bogus", "x", "--", "true"}, {"--group", "docker", "--", "true"}}
	for _, arguments := range bad {
		if _, ok := parse(arguments); ok {
			t.Errorf("%q is taken", arguments)
		}
	}
}

func TestTheTasksAreThoseThatTheOptionsAskFor(t *testing.T) {
	for _, each := range []struct {
		options options
		tasks   int
	}{
		{options{}, 0},
		{options{report: "/s"}, 1},
		{options{report: "/s", group: "/docker"}, 1},
		{options{report: "/s", group: "/docker", reserve: "1"}, 2},
		{options{report: "/s", preload: "a", preloaded: "/f", dns: "10.0.0.1", loops: "/l"}, 4},
	} {
		if got := len(each.options.tasks()); got != each.tasks {
			t.Errorf("%+v: %d tasks", each.options, got)
		}
	}
}

func TestATaskThatPanicsIsToldOfAndRunAgainAfterLongerAndLongerPauses(t *testing.T) {
	log, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func(before *os.File) { os.Stderr = before }(os.Stderr)
	os.Stderr = log
	var told []bool
	var pauses []time.Duration
	keep(task{"counts", func(again bool) {
		told = append(told, again)
		if len(told) < 9 {
			var nothing map[string]int
			nothing["x"] = 1
		}
	}}, false, func(pause time.Duration) { pauses = append(pauses, pause) })
	want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
	for i, pause := range pauses {
		if pause != want[i]*time.Second {
			t.Errorf("pause %d: %v", i, pause)
		}
	}
	if len(told) != 9 || told[0] || !told[8] {
		t.Error(told)
	}
	text, _ := os.ReadFile(log.Name())
	if got := strings.Count(string(text), "dind: what counts failed, and is started again: assignment to entry in nil map"); got != 8 {
		t.Errorf("told %d times: %s", got, text)
	}
}

func TestThePauseIsShortAgainAfterALongTime(t *testing.T) {
	if got := nextPause(time.Minute, time.Minute+1); got != time.Second {
		t.Error(got)
	}
}

func TestTheTailIsTheEndFromTheBeginningOfALineOn(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for _, each := range []struct{ name, text, want string }{
		{"short", "a\nb\n", "a\nb\n"},
		{"one long line", strings.Repeat("y", 3*tailMax), strings.Repeat("y", tailMax)},
		{"many lines", "z" + strings.Repeat(line, 100), strings.Repeat(line, tailMax/100-1)},
		{"nothing after the last line", strings.Repeat("y", tailMax) + "\n", strings.Repeat("y", tailMax-1) + "\n"},
	} {
		for _, piece := range []int{1, 7, 16384} {
			kept := tail{done: make(chan struct{})}
			close(kept.done)
			for rest := []byte(each.text); len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				kept.keep(rest[:min(piece, len(rest))])
			}
			want := each.want
			if each.name == "many lines" && !kept.cut {
				t.Fatal("nothing was cut")
			}
			if got := string(kept.finish()); got != want && !strings.HasSuffix(each.text, got) || len(kept.kept) > tailMax {
				t.Errorf("%s in pieces of %d: %d bytes, wanted %d", each.name, piece, len(got), len(want))
			} else if strings.HasPrefix(got, "xx") && len(got)%100 != 0 {
				t.Errorf("%s in pieces of %d begins within a line", each.name, piece)
			}
		}
	}
}

func TestTheExplanationIsForUserNamespacesOnly(t *testing.T) {
	for table, want := range map[string]string{
		"         0          0 4294967295\n": "",
		"         0     100000      65536\n": "0 to 65535,",
		"0 0 1\n":                            "0 to 0,",
		"":                                   "",
		"0 0 0":                              "",
		"x":                                  "",
	} {
		if got := explanationOf(table); got == "" != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q", table, got)
		}
	}
	if explanation([]byte("nothing of that")) != "" {
		t.Error("explained for no reason")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("29.8.1", 1, []byte("failed to start daemon: \"x\"\n"))
	f.Add("", 9, bytes.Repeat([]byte{0}, tailMax))
	f.Add(strings.Repeat("\x00", 900), 255, []byte("\xff\xc3"))
	f.Fuzz(func(t *testing.T, docker string, status int, text []byte) {
		got := message(docker, syscall.WaitStatus(status&0xff7f), text)
		var back struct {
			Version          int
			Docker, Tail     string
			ExitCode, Signal int
		}
		if err := json.Unmarshal([]byte(got), &back); err != nil || len(got) > messageMax {
			t.Fatalf("%d bytes, %v: %s", len(got), err, got)
		}
		if utf8.Valid(text) && !strings.HasSuffix(string(text), back.Tail) {
			t.Errorf("%q became %q", text, back.Tail)
		}
	})
}

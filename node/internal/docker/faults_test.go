package docker

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// queue is a socket that nobody accepts from, whose queue is full.
func queue(t *testing.T) (path string, listener int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(listener) })
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 0); err != nil {
		t.Fatal(err)
	}
	for {
		client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(client) })
		if unix.Connect(client, &unix.SockaddrUnix{Name: path}) != nil {
			return path, listener
		}
	}
}

func TestAFullQueueEndsInTime(t *testing.T) {
	path, _ := queue(t)
	for range 5 {
		start := time.Now()
		_, _, err := Client{path}.Get("/x", 30*time.Millisecond)
		if err == nil || err.Error() != "cannot connect to "+path+": connection timed out" {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Error(took)
		}
	}
}

func TestAFullQueueIsWaitedFor(t *testing.T) {
	path, listener := queue(t)
	go func() {
		time.Sleep(100 * time.Millisecond)
		for {
			connection, _, err := unix.Accept(listener)
			if err != nil {
				return
			}
			// Those that filled the queue say nothing.
			go func() {
				unix.Read(connection, make([]byte, 4096))
				unix.Write(connection, []byte("HTTP/1.0 200 OK\r\n\r\n"))
				unix.Close(connection)
			}()
		}
	}()
	if status, _, err := (Client{path}).Get("/x", 20*time.Second); status != 200 || err != nil {
		t.Error(status, err)
	}
}

// breaks answers with the text and then resets the connection: the kernel does so when what the other side has sent is not read.
func breaks(t *testing.T, text string) Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(connection, text)
			// Nothing is read; the request is there by now.
			time.Sleep(50 * time.Millisecond)
			connection.Close()
		}
	}()
	return Client{path}
}

func TestAConnectionThatBreaksIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"before the answer":   "",
		"within the headers":  "HTTP/1.0 200 OK\r\nA: b",
		"after the headers":   "HTTP/1.0 200 OK\r\n\r\n",
		"after a line":        "HTTP/1.0 200 OK\r\n\r\n{}\n",
		"within a line":       "HTTP/1.0 200 OK\r\n\r\n{}\n{\"a",
		"within a long line":  "HTTP/1.0 200 OK\r\n\r\n" + strings.Repeat("y", 100<<10),
		"at the cut of lines": "HTTP/1.0 200 OK\r\n\r\n" + strings.Repeat("y", 64<<10),
	} {
		client := breaks(t, text)
		if _, _, err := client.Get("/x", 5*time.Second); err == nil || err.Error() != "/x: the connection broke" {
			t.Errorf("%s: Get: %v", name, err)
		}
		if _, err := client.Stream(Request{Method: "GET", Path: "/x"}, 5*time.Second, func([]byte) {}); err == nil || err.Error() != "/x: the connection broke" {
			t.Errorf("%s: Stream: %v", name, err)
		}
	}
}

// silent gives its text, then an error, and must not be read again.
type silent struct {
	t     *testing.T
	text  io.Reader
	ended bool
}

func (s *silent) Write(from []byte) (int, error) { return len(from), nil }

func (s *silent) Read(to []byte) (int, error) {
	length, err := s.text.Read(to)
	if err == nil {
		return length, nil
	}
	if s.ended {
		s.t.Error("it is waited for a second time")
	}
	s.ended = true
	return 0, os.ErrDeadlineExceeded
}

func TestOneThatFellSilentIsNotReadAgain(t *testing.T) {
	for _, text := range []string{"", "HTTP/1.0 200", "HTTP/1.0 200 OK\r\nA: b", "HTTP/1.0 200 OK\r\n\r\n{}\n", "HTTP/1.0 200 OK\r\n\r\n{"} {
		_, body, err := exchange(&silent{t: t, text: strings.NewReader(text)}, Request{Method: "GET", Path: "/x"})
		if err != nil {
			continue
		}
		for reader := bufio.NewReader(body); err == nil; {
			_, _, err = reader.ReadLine()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestASlowAnswerIsBoundedByItsTime(t *testing.T) {
	client := daemon(t, func(connection net.Conn) {
		io.WriteString(connection, "HTTP/1.0 200 OK\r\n\r\n")
		for range 1000 {
			time.Sleep(20 * time.Millisecond)
			io.WriteString(connection, "x")
		}
	})
	start := time.Now()
	if _, _, err := client.Get("/x", 200*time.Millisecond); err == nil || err.Error() != "no answer to /x in time" || time.Since(start) > 10*time.Second {
		t.Error(err, time.Since(start))
	}
}

func TestTheFirstEntryOfARegistryIsTaken(t *testing.T) {
	const file = `{"auths":{"r":{"username":"first","password":"x"},"https://R/v1/":{"username":"second","password":"x"},"http://r":{"username":"third","password":"x"}}}`
	first, _ := auth([]byte(`{"auths":{"r":{"username":"first","password":"x"}}}`), "r")
	for range 50 {
		if got, found := auth([]byte(file), "r"); !found || got != first {
			t.Fatal("another entry was taken")
		}
	}
}

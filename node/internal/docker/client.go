// Package docker asks dockerd over its unix socket. It speaks HTTP/1.0, so that an answer is neither chunked nor kept alive and ends
// where the connection ends; net/http would make the program three times as large.
package docker

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxAnswer is the most that is read of an answer: information of dockerd has some KiB, with many registries and plugins some tens.
const maxAnswer = 1 << 20

// maxHeaders bounds the status line and the headers.
const maxHeaders = 64 << 10

// maxPath is how long the path of a unix socket may be, in bytes.
const maxPath = 107

// retry is the time between two tries to connect while the queue of the socket is full.
const retry = 20 * time.Millisecond

// Client asks the daemon that listens at Socket.
type Client struct {
	Socket string
}

// Request is one call of the Docker API. Path has no version in front, so dockerd takes its own.
type Request struct {
	Method, Path string
	// ContentType and Body belong together; a request without a body has neither.
	ContentType string
	Body        []byte
	// Header has further header lines by name.
	Header map[string]string
}

// Get asks for a path with GET and returns the HTTP status and the body, all within the time.
func (c Client) Get(path string, within time.Duration) (int, []byte, error) {
	return c.Do(Request{Method: "GET", Path: path}, within)
}

// Do sends the request and returns the HTTP status and the body, of which at most 1 MiB is read. Errors are sentences for users,
// without the path of the socket where that says nothing.
func (c Client) Do(request Request, within time.Duration) (int, []byte, error) {
	deadline := time.Now().Add(within)
	connection, err := c.connect(deadline)
	if err != nil {
		return 0, nil, err
	}
	defer connection.Close()
	connection.SetDeadline(deadline)
	status, body, err := exchange(connection, request)
	if err != nil {
		return 0, nil, explain(err, request.Path)
	}
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return 0, nil, explain(err, request.Path)
	}
	return status, text, nil
}

// Stream sends the request and hands each line of the answer to `line`, whole up to 64 KiB and cut there. The answer may take any
// time, as long as something comes within `idle`. The lines are valid until `line` returns.
func (c Client) Stream(request Request, idle time.Duration, line func([]byte)) (int, error) {
	connection, err := c.connect(time.Now().Add(idle))
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	status, body, err := exchange(&patient{connection, idle}, request)
	if err != nil {
		return 0, explain(err, request.Path)
	}
	reader := bufio.NewReaderSize(body, 64<<10)
	for {
		text, cut, err := reader.ReadLine()
		if err == io.EOF {
			return status, nil
		}
		if err != nil {
			return 0, explain(err, request.Path)
		}
		line(text)
		for cut && err == nil {
			_, cut, err = reader.ReadLine()
		}
	}
}

// once reads until the first error and returns that from then on. The kernel says only once that a connection was reset, and it ends like any
// other after that; readers of lines drop an error that comes with a part of a line, and read again.
type once struct {
	from   io.Reader
	failed error
}

func (o *once) Read(to []byte) (int, error) {
	if o.failed != nil {
		return 0, o.failed
	}
	length, err := o.from.Read(to)
	o.failed = err
	return length, err
}

// patient puts the deadline off with each call.
type patient struct {
	net.Conn
	idle time.Duration
}

func (p *patient) Read(to []byte) (int, error) {
	p.SetDeadline(time.Now().Add(p.idle))
	return p.Conn.Read(to)
}

func (p *patient) Write(from []byte) (int, error) {
	p.SetDeadline(time.Now().Add(p.idle))
	return p.Conn.Write(from)
}

func (c Client) connect(deadline time.Time) (net.Conn, error) {
	if len(c.Socket) > maxPath {
		return nil, fmt.Errorf("the socket's path is too long for a unix socket: %.100s...", c.Socket)
	}
	for {
		unused := Unused(c.Socket)
		connection, err := net.DialTimeout("unix", c.Socket, time.Until(deadline))
		if err == nil {
			// What this program asks is no use of the daemon; nor are probes, which are this program, too.
			if unused {
				Mark(c.Socket)
			}
			return connection, nil
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return nil, fmt.Errorf("cannot connect to %s: %s", c.Socket, reason(err))
		}
		// A unix socket whose queue is full says so at once.
		if !time.Now().Before(deadline) {
			return nil, fmt.Errorf("cannot connect to %s: %s", c.Socket, syscall.ETIMEDOUT.Error())
		}
		time.Sleep(retry)
	}
}

// exchange sends a request; what it returns is to be read to the end of the connection.
func exchange(connection io.ReadWriter, request Request) (int, io.Reader, error) {
	if _, err := connection.Write(head(request)); err != nil {
		return 0, nil, err
	}
	if _, err := connection.Write(request.Body); err != nil && len(request.Body) > 0 {
		return 0, nil, err
	}
	limited := &io.LimitedReader{R: &once{from: connection}, N: maxHeaders}
	buffered := bufio.NewReader(limited)
	reader := textproto.NewReader(buffered)
	line, err := reader.ReadLine()
	if err != nil && err != io.EOF {
		return 0, nil, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	status, failed := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/") || failed != nil || status < 100 || status > 999 {
		return 0, nil, errors.New("the answer is not HTTP")
	}
	for {
		line, err := reader.ReadLineBytes()
		if err == io.EOF {
			return 0, nil, errors.New("the answer ends within its headers")
		}
		if err != nil {
			return 0, nil, err
		}
		if len(line) == 0 {
			limited.N = 1 << 62
			return status, buffered, nil
		}
	}
}

func head(request Request) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.0\r\nHost: docker\r\n", request.Method, request.Path)
	if request.ContentType != "" {
		fmt.Fprintf(&text, "Content-Type: %s\r\nContent-Length: %d\r\n", request.ContentType, len(request.Body))
	}
	for name, value := range request.Header {
		fmt.Fprintf(&text, "%s: %s\r\n", name, value)
	}
	text.WriteString("\r\n")
	return text.Bytes()
}

// explain says in a sentence what happened to a call.
func explain(err error, path string) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer to %s in time", path)
	case errors.As(err, &system), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%s: the connection broke", path)
	}
	return err
}

// reason is the system's word for an error, without Go's words around it.
func reason(err error) string {
	var system syscall.Errno
	if errors.As(err, &system) {
		return system.Error()
	}
	var slow interface{ Timeout() bool }
	if errors.As(err, &slow) && slow.Timeout() {
		return "connection timed out"
	}
	return err.Error()
}

package docker

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// daemon is a socket that answers each request with the text, after having read it to the end of its headers.
func daemon(t *testing.T, answer func(net.Conn)) Client {
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
			go func() {
				defer connection.Close()
				buffer := make([]byte, 4096)
				for read := ""; !strings.Contains(read, "\r\n\r\n"); {
					length, err := connection.Read(buffer)
					if err != nil {
						return
					}
					read += string(buffer[:length])
				}
				answer(connection)
			}()
		}
	}()
	return Client{path}
}

func says(text string) func(net.Conn) {
	return func(connection net.Conn) { io.WriteString(connection, text) }
}

func TestAnswers(t *testing.T) {
	for name, each := range map[string]struct {
		answer, body, failed string
		status               int
	}{
		"an answer":               {answer: "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"a\":1}", status: 200, body: `{"a":1}`},
		"without a reason":        {answer: "HTTP/1.1 404\r\n\r\n", status: 404},
		"bytes":                   {answer: "HTTP/1.0 200 OK\r\n\r\n\x00\xff", status: 200, body: "\x00\xff"},
		"nothing":                 {failed: "the answer is not HTTP"},
		"no HTTP":                 {answer: "SSH-2.0\r\n\r\n", failed: "the answer is not HTTP"},
		"no status":               {answer: "HTTP/1.0 x\r\n\r\n", failed: "the answer is not HTTP"},
		"an end within headers":   {answer: "HTTP/1.0 200 OK\r\nA: b\r\n", failed: "the answer ends within its headers"},
		"headers without an end":  {answer: "HTTP/1.0 200 OK\r\n" + strings.Repeat("A: b\r\n", 1<<16), failed: "the answer ends within its headers"},
		"a line without an end":   {answer: "HTTP/1.0 200 OK\r\nA: " + strings.Repeat("b", 1<<20), failed: "the answer ends within its headers"},
		"more than is read of it": {answer: "HTTP/1.0 200 OK\r\n\r\n" + strings.Repeat("x", 2*maxAnswer), status: 200, body: strings.Repeat("x", maxAnswer)},
	} {
		status, body, err := daemon(t, says(each.answer)).Get("/x", 10*time.Second)
		if status != each.status || string(body) != each.body || (err != nil) != (each.failed != "") || err != nil && err.Error() != each.failed {
			t.Errorf("%s: %d, %d bytes, %v", name, status, len(body), err)
		}
	}
}

func TestTheRequest(t *testing.T) {
	got := string(head(Request{Method: "POST", Path: "/x", ContentType: "a/b", Body: []byte("12345"), Header: map[string]string{"X-A": "b"}}))
	if got != "POST /x HTTP/1.0\r\nHost: docker\r\nContent-Type: a/b\r\nContent-Length: 5\r\nX-A: b\r\n\r\n" {
		t.Error(got)
	}
}

func TestOneThatDoesNotAnswer(t *testing.T) {
	client := daemon(t, func(net.Conn) { time.Sleep(time.Minute) })
	if _, _, err := client.Get("/x", 50*time.Millisecond); err == nil || err.Error() != "no answer to /x in time" {
		t.Error(err)
	}
	if _, err := client.Stream(Request{Method: "GET", Path: "/x"}, 50*time.Millisecond, func([]byte) {}); err == nil || err.Error() != "no answer to /x in time" {
		t.Error(err)
	}
}

func TestOneThatIsNotThere(t *testing.T) {
	for path, want := range map[string]string{
		"/no/socket":                   "cannot connect to /no/socket: no such file or directory",
		"/" + strings.Repeat("x", 200): "the socket's path is too long for a unix socket: /" + strings.Repeat("x", 99) + "...",
	} {
		if _, _, err := (Client{path}).Get("/", time.Second); err == nil || err.Error() != want {
			t.Error(err)
		}
	}
}

func TestAStreamMayTakeItsTimeAndHasLinesOfAnyLength(t *testing.T) {
	long := strings.Repeat("y", 1<<18)
	client := daemon(t, func(connection net.Conn) {
		io.WriteString(connection, "HTTP/1.0 200 OK\r\n\r\n")
		for _, line := range []string{"a\n", long + "\n", "b\r\n", "end"} {
			time.Sleep(30 * time.Millisecond)
			io.WriteString(connection, line)
		}
	})
	var lines []string
	status, err := client.Stream(Request{Method: "GET", Path: "/x"}, 5*time.Second, func(line []byte) { lines = append(lines, string(line)) })
	if status != 200 || err != nil || len(lines) != 4 || lines[0] != "a" || !strings.HasPrefix(long, lines[1]) || lines[2] != "b" || lines[3] != "end" {
		t.Error(status, err, len(lines))
	}
}

func TestOwnQuestionsLeaveTheMark(t *testing.T) {
	client := daemon(t, says("HTTP/1.0 200 OK\r\n\r\n"))
	if err := Mark(client.Socket); err != nil || !Unused(client.Socket) {
		t.Fatal(err)
	}
	if _, _, err := client.Get("/", time.Second); err != nil || !Unused(client.Socket) {
		t.Error("its own question counts as use", err)
	}
	connection, err := net.Dial("unix", client.Socket)
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
	if Unused(client.Socket) {
		t.Error("somebody has connected")
	}
}

func basic(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestAuth(t *testing.T) {
	for name, each := range map[string]struct {
		file, registry string
		want           map[string]string
	}{
		"auth":                    {`{"auths":{"r.example.com":{"auth":"` + basic("u:p:q") + `"}}}`, "r.example.com", map[string]string{"username": "u", "password": "p:q"}},
		"auth wins":               {`{"auths":{"r":{"auth":"` + basic("u:p") + `","username":"x","password":"y"}}}`, "r", map[string]string{"username": "u", "password": "p"}},
		"as text":                 {`{"auths":{"r":{"username":"x","password":"y\n\"é"}}}`, "r", map[string]string{"username": "x", "password": "y\n\"é"}},
		"a token":                 {`{"auths":{"r":{"auth":"` + basic("u:p") + `","identitytoken":"t"}}}`, "r", map[string]string{"identitytoken": "t"}},
		"without padding":         {`{"auths":{"r":{"auth":"` + strings.TrimRight(basic("u:p1"), "=") + `"}}}`, "r", map[string]string{"username": "u", "password": "p1"}},
		"the alphabet of URLs":    {`{"auths":{"r":{"auth":"` + base64.URLEncoding.EncodeToString([]byte("u:\xc3\xbf\xc3\xbe?>")) + `"}}}`, "r", map[string]string{"username": "u", "password": "ÿþ?>"}},
		"a URL and another case":  {`{"auths":{"https://R.example.com:5000/v1/":{"username":"x","password":"y"}}}`, "r.example.com:5000", map[string]string{"username": "x", "password": "y"}},
		"Docker Hub":              {`{"auths":{"https://index.docker.io/v1/":{"username":"x","password":"y"}}}`, "docker.io", map[string]string{"username": "x", "password": "y", "serveraddress": hubAddress}},
		"another name of the Hub": {`{"auths":{"registry-1.docker.io":{"username":"x","password":"y"}}}`, "docker.io", map[string]string{"username": "x", "password": "y", "serveraddress": hubAddress}},
		"an empty entry first":    {`{"auths":{"r":{},"https://r/v2/":{"username":"x","password":"y"}}}`, "r", map[string]string{"username": "x", "password": "y"}},
		"another registry":        {`{"auths":{"s":{"username":"x","password":"y"}}}`, "r", nil},
		"half an entry":           {`{"auths":{"r":{"username":"x"}}}`, "r", nil},
		"no base64":               {`{"auths":{"r":{"auth":"%%%"}}}`, "r", nil},
		"no colon":                {`{"auths":{"r":{"auth":"` + basic("u") + `"}}}`, "r", nil},
		"no object":               {`{"auths":{"r":"x"}}`, "r", nil},
		"no JSON":                 {`{"auths":`, "r", nil},
	} {
		header, found := auth([]byte(each.file), each.registry)
		if found != (each.want != nil) {
			t.Errorf("%s: %v", name, found)
			continue
		}
		if each.want == nil {
			continue
		}
		text, err := base64.URLEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		json.Unmarshal(text, &got)
		if each.want["serveraddress"] == "" {
			each.want["serveraddress"] = each.registry
		}
		if len(got) != len(each.want) {
			t.Errorf("%s: %v", name, got)
		}
		for member, value := range each.want {
			if got[member] != value {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	if _, found := Auth("/no/file", "r"); found {
		t.Error("there is no file")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}")
	f.Add("HTTP/9 \r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		status, body, err := exchange(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(text), io.Discard}, Request{Method: "GET", Path: "/"})
		if err != nil {
			return
		}
		if status < 100 || status > 999 {
			t.Error(status)
		}
		io.Copy(io.Discard, body)
	})
}

func FuzzAuth(f *testing.F) {
	f.Add([]byte(`{"auths":{"r":{"auth":"dTpw"}}}`), "r")
	f.Fuzz(func(t *testing.T, file []byte, registry string) {
		header, found := auth(file, registry)
		if text, err := base64.URLEncoding.DecodeString(header); found && (err != nil || !json.Valid(text)) {
			t.Error(header)
		}
	})
}

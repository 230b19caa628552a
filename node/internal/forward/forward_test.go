package forward

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dind.dev/node/internal/network"
)

// started is a forwarder on loopback whose nameservers listen at the port, too.
func started(t *testing.T, servers ...string) (*forwarder, *net.UDPConn, *net.TCPListener) {
	t.Helper()
	probe, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(probe.LocalAddr().String())
	probe.Close()
	var listed []network.Nameserver
	for _, address := range servers {
		listed = append(listed, network.Nameserver{Address: address})
	}
	f := newForwarder(listed)
	f.port, f.answer, f.silent = port, 200*time.Millisecond, 300*time.Millisecond
	udp, tcp, err := listen("127.0.53.1", port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	return f, udp, tcp
}

// echo is a nameserver at an address that sends back what it gets.
func echo(t *testing.T, address, port string) {
	t.Helper()
	socket, err := net.ListenPacket("udp4", net.JoinHostPort(address, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		buffer := make([]byte, maxMessage)
		for {
			length, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			socket.WriteTo(buffer[:length], from)
		}
	}()
}

// client asks from an address of its own.
func client(t *testing.T, from string, f *forwarder) *net.UDPConn {
	t.Helper()
	local := &net.UDPAddr{IP: net.ParseIP(from)}
	remote, _ := net.ResolveUDPAddr("udp4", net.JoinHostPort("127.0.53.1", f.port))
	socket, err := net.DialUDP("udp4", local, remote)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

func answered(socket *net.UDPConn, text string, within time.Duration) bool {
	socket.Write([]byte(text))
	socket.SetReadDeadline(time.Now().Add(within))
	buffer := make([]byte, 100)
	length, err := socket.Read(buffer)
	return err == nil && string(buffer[:length]) == text
}

func TestAQuestionGoesToANameserverAndBack(t *testing.T) {
	f, udp, _ := started(t, "127.0.53.2")
	echo(t, "127.0.53.2", f.port)
	go f.serveUDP(udp)
	if !answered(client(t, "127.0.0.1", f), "name?", 5*time.Second) {
		t.Error("no answer")
	}
}

func TestSeveralQuestionsToASilentNameserverAreOneReasonToAskTheNext(t *testing.T) {
	f, udp, _ := started(t, "127.0.53.2", "127.0.53.3")
	silent, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.53.2", f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	echo(t, "127.0.53.3", f.port)
	go f.serveUDP(udp)
	asker := client(t, "127.0.0.1", f)
	asker.Write([]byte("one"))
	asker.Write([]byte("two"))
	waitFor(t, func() bool { f.lock.Lock(); defer f.lock.Unlock(); return f.current == 1 })
	waitFor(t, func() bool { f.questions.lock.Lock(); defer f.questions.lock.Unlock(); return f.questions.all == 0 })
	if !answered(asker, "three", 5*time.Second) {
		t.Error("the good one was left again")
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for nothing")
		}
	}
}

func TestOneClientCannotKeepAllOthersWaiting(t *testing.T) {
	f, udp, _ := started(t, "127.0.53.2")
	f.answer = time.Minute
	silent, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.53.2", f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go f.serveUDP(udp)
	greedy, modest := client(t, "127.0.0.2", f), client(t, "127.0.0.3", f)
	// The kernel drops what the socket has no room for, so each asks again, as resolvers do.
	waitFor(t, func() bool { fmt.Fprint(greedy, "again"); return held(&f.questions, "127.0.0.2") == maxQuestions/part })
	for range 2 * maxQuestions {
		fmt.Fprint(greedy, "more")
	}
	waitFor(t, func() bool { modest.Write([]byte("x")); return held(&f.questions, "127.0.0.3") > 0 })
	if got := held(&f.questions, "127.0.0.2"); got != maxQuestions/part {
		t.Error(got)
	}
}

func held(p *places, client string) int {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.by[netip.MustParseAddr(client)]
}

func TestAConnectionIsCarriedAndASlowReaderIsClosed(t *testing.T) {
	f, _, tcp := started(t, "127.0.53.2")
	server, err := net.Listen("tcp4", net.JoinHostPort("127.0.53.2", f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			connection, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				buffer := make([]byte, 5)
				connection.Read(buffer)
				connection.Write(buffer)
				// More than fits into the buffers of the kernel.
				connection.Write([]byte(strings.Repeat("x", 64<<20)))
				connection.Close()
			}()
		}
	}()
	go f.serveTCP(tcp)
	asker, err := net.Dial("tcp4", net.JoinHostPort("127.0.53.1", f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	asker.Write([]byte("name?"))
	buffer := make([]byte, 5)
	asker.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := asker.Read(buffer); err != nil || string(buffer) != "name?" {
		t.Fatal(string(buffer), err)
	}
	waitFor(t, func() bool {
		f.connections.lock.Lock()
		defer f.connections.lock.Unlock()
		return f.connections.all == 0
	})
}

func TestOneClientHasAPartOfTheConnections(t *testing.T) {
	f, _, tcp := started(t, "127.0.53.2")
	f.silent = time.Minute
	server, err := net.Listen("tcp4", net.JoinHostPort("127.0.53.2", f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go f.serveTCP(tcp)
	for range maxConnections {
		connection, err := net.Dial("tcp4", net.JoinHostPort("127.0.53.1", f.port))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
	}
	waitFor(t, func() bool { return held(&f.connections, "127.0.0.1") == maxConnections/part })
	time.Sleep(50 * time.Millisecond)
	if got := held(&f.connections, "127.0.0.1"); got != maxConnections/part {
		t.Error(got)
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	if _, _, err := listen("nowhere", "0"); err == nil {
		t.Error("listens nowhere")
	}
}

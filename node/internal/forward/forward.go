// Package forward is a resolver for nested containers where the pod's own is out of their reach: on a loopback address of the pod, which dockerd
// leaves out of their resolv.conf, or on a link-local one of version 6. It hands on what it is sent, unread, to the pod's nameservers and back. No
// packet filter does that without opening the pod's loopback to nested containers (route_localnet).
package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/logs"
	"dind.dev/node/internal/network"
)

const (
	// maxQuestions are on their way at once, and maxConnections are open at once; of each a client has a quarter at most, so that one nested
	// container cannot keep all others waiting.
	maxQuestions   = 128
	maxConnections = 32
	part           = 4
	maxMessage     = 65535
)

// forwarder hands on from one address to the nameservers. The times and the port are the constants of Run, or a test's.
type forwarder struct {
	servers []network.Nameserver
	port    string
	// answer is how long a resolver waits by default (resolv.conf(5)); silent is how long a connection may carry nothing, in either direction
	// and when it does not take what it is sent.
	answer, silent time.Duration

	lock    sync.Mutex
	current int

	questions, connections places
}

// places counts who holds how many of something.
type places struct {
	lock sync.Mutex
	most int
	all  int
	by   map[netip.Addr]int
}

func newPlaces(most int) places { return places{most: most, by: map[netip.Addr]int{}} }

// take gives a place to a client; false when there is none, or none for this client.
func (p *places) take(client netip.Addr) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.all == p.most || p.by[client] >= p.most/part {
		return false
	}
	p.all++
	p.by[client]++
	return true
}

func (p *places) leave(client netip.Addr) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.all--
	if p.by[client]--; p.by[client] == 0 {
		delete(p.by, client)
	}
}

// Run serves at the address, port 53, for as long as the process lives. It returns when it cannot.
func Run(address string) {
	f := newForwarder(network.Nameservers())
	udp, tcp, err := listen(address, f.port)
	if err == nil && len(f.servers) == 0 {
		err = errors.New("there is no nameserver in " + network.ResolvConf)
	}
	if err != nil {
		logs.Say("no resolver for nested containers at %s: %v", address, err)
		return
	}
	go f.serveTCP(tcp)
	f.serveUDP(udp)
}

func newForwarder(servers []network.Nameserver) *forwarder {
	return &forwarder{
		servers: servers, port: "53", answer: 5 * time.Second, silent: 10 * time.Second,
		questions: newPlaces(maxQuestions), connections: newPlaces(maxConnections),
	}
}

// listen binds both sockets. The bridge comes later: an address that is not there yet may be bound.
func listen(address, port string) (*net.UDPConn, *net.TCPListener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(socket uintptr) { err = unix.SetsockoptInt(int(socket), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, failed)
	}}
	at := net.JoinHostPort(address, port)
	if _, err := netip.ParseAddr(address); err != nil {
		return nil, nil, err
	}
	udp, err := config.ListenPacket(context.Background(), "udp4", at)
	if err != nil {
		return nil, nil, err
	}
	tcp, err := config.Listen(context.Background(), "tcp4", at)
	if err != nil {
		udp.Close()
		return nil, nil, err
	}
	return udp.(*net.UDPConn), tcp.(*net.TCPListener), nil
}

// turn is the nameserver whose turn it is, and its number.
func (f *forwarder) turn() (int, string) {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.current, net.JoinHostPort(f.servers[f.current].Address, f.port)
}

// failed makes it the next one's turn, unless it has come already: of several questions to one that is silent each says the same.
func (f *forwarder) failed(server int) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if server == f.current {
		f.current = (f.current + 1) % len(f.servers)
	}
}

// buffers are as large as the largest message; few are in use at once.
var buffers = sync.Pool{New: func() any { return new([maxMessage]byte) }}

func (f *forwarder) serveUDP(socket *net.UDPConn) {
	for {
		buffer := buffers.Get().(*[maxMessage]byte)
		length, from, err := socket.ReadFromUDPAddrPort(buffer[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Whoever asked and finds no place asks again.
		if err != nil || length == 0 || !f.questions.take(from.Addr()) {
			buffers.Put(buffer)
			continue
		}
		go func() {
			defer buffers.Put(buffer)
			defer f.questions.leave(from.Addr())
			if answer := f.ask(buffer, length); answer > 0 {
				socket.WriteToUDPAddrPort(buffer[:answer], from)
			}
		}()
	}
}

// ask sends a question on and puts the answer into its buffer; its length, or 0 for none.
func (f *forwarder) ask(buffer *[maxMessage]byte, length int) int {
	server, at := f.turn()
	connection, err := net.Dial("udp", at)
	if err != nil {
		f.failed(server)
		return 0
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(f.answer))
	if _, err := connection.Write(buffer[:length]); err != nil {
		f.failed(server)
		return 0
	}
	answer, err := connection.Read(buffer[:])
	if err != nil {
		f.failed(server)
		return 0
	}
	return answer
}

func (f *forwarder) serveTCP(listener *net.TCPListener) {
	for {
		client, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Such as too many open files.
			time.Sleep(100 * time.Millisecond)
			continue
		}
		from := client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !f.connections.take(from) {
			client.Close()
			continue
		}
		go func() {
			defer f.connections.leave(from)
			defer client.Close()
			f.carry(client)
		}()
	}
}

// carry hands on both ways, until one side ends, or is silent or slow for too long.
func (f *forwarder) carry(client net.Conn) {
	number, at := f.turn()
	server, err := net.DialTimeout("tcp", at, f.answer)
	if err != nil {
		f.failed(number)
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	copyOne := func(to, from net.Conn) {
		io.CopyBuffer(onlyWriter{&patient{to, f.silent}}, onlyReader{&patient{from, f.silent}}, make([]byte, 4096))
		done <- struct{}{}
	}
	go copyOne(server, client)
	go copyOne(client, server)
	<-done
	client.Close()
	server.Close()
	<-done
}

// patient gives each read and each write the same time, whatever the other direction does.
type patient struct {
	net.Conn
	silent time.Duration
}

func (p *patient) Read(to []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(p.silent))
	return p.Conn.Read(to)
}

func (p *patient) Write(from []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(p.silent))
	return p.Conn.Write(from)
}

// Without their other methods io.CopyBuffer uses the buffer, and so the deadlines.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

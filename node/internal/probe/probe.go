// Package probe is the probe: is the daemon answering on its socket? It always ends by its own clock, not by the kubelet's.
package probe

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"dind.dev/node/internal/docker"
)

const (
	// defaultTimeout is below the five seconds that the operator's probes allow, so that the reason is printed, not cut off.
	defaultTimeout = 4 * time.Second
	defaultSocket  = "/var/run/docker.sock"
	// again is the time between tries of --wait: nothing that a person or a build would notice.
	again = 20 * time.Millisecond
)

type options struct {
	timeout, wait time.Duration
	after, socket string
}

const usage = "usage: dind-node ping [--timeout SECONDS] [--wait SECONDS] [--after FILE] [SOCKET]"

// parse reads the options, which have this order. The error is a line for the user.
func parse(arguments []string) (options, error) {
	o := options{timeout: defaultTimeout}
	for _, each := range []struct {
		name  string
		value *time.Duration
	}{{"--timeout", &o.timeout}, {"--wait", &o.wait}} {
		if len(arguments) < 2 || arguments[0] != each.name {
			continue
		}
		seconds, err := strconv.ParseFloat(arguments[1], 64)
		if err != nil || !(seconds > 0 && seconds <= 3600) {
			return o, fmt.Errorf("dind-node ping: %s takes seconds, more than 0 and at most 3600", each.name)
		}
		*each.value = time.Duration(seconds * float64(time.Second))
		arguments = arguments[2:]
	}
	if len(arguments) > 1 && arguments[0] == "--after" {
		o.after, arguments = arguments[1], arguments[2:]
	}
	if len(arguments) > 0 {
		o.socket, arguments = arguments[0], arguments[1:]
	}
	if o.socket == "" {
		o.socket = defaultSocket
	}
	if len(arguments) > 0 || o.socket[0] == '-' {
		return o, fmt.Errorf("%s", usage)
	}
	return o, nil
}

// Main runs `dind-node ping`. With --wait it asks again and again for that long: a kubelet starts a probe once a second at most, and a daemon that
// answers just after one would be ready a whole second for nobody. With --after the daemon counts once that file is there.
func Main(arguments []string) int {
	o, err := parse(arguments)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	start := time.Now()
	for {
		failed := o.ask(start.Add(o.timeout))
		if failed == "" {
			return 0
		}
		if time.Now().Add(again).After(start.Add(o.wait)) {
			fmt.Println("docker daemon: " + failed)
			return 1
		}
		time.Sleep(again)
	}
}

// ask returns what is wrong, nothing if the daemon is ready.
func (o options) ask(deadline time.Time) string {
	if o.after != "" {
		if _, err := os.Stat(o.after); err != nil {
			return "images are still being pulled"
		}
	}
	status, _, err := docker.Client{Socket: o.socket}.Get("/_ping", time.Until(deadline))
	switch {
	case err != nil:
		return err.Error()
	case status != 200:
		return fmt.Sprintf("/_ping answered with HTTP status %d", status)
	}
	return ""
}

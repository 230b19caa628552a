// Package report is what the daemon says of itself, once, as one line of the container's log: so nobody needs `kubectl exec` to learn it. The reader
// treats the line as untrusted, since workloads may write to the same log.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"dind.dev/node/internal/docker"
	"dind.dev/node/internal/jsontext"
)

const (
	// ask: a start takes about a second; asking five times a second costs nothing and adds little to it.
	ask    = 200 * time.Millisecond
	answer = 10 * time.Second
	// valueMax: version and driver names are short; anything longer is not one.
	valueMax = 127
)

// Run asks until dockerd answers and prints the `dind-report` line once.
func Run(socket string) {
	client := docker.Client{Socket: socket}
	for {
		if status, _, err := client.Get("/_ping", answer); err == nil && status == 200 {
			if status, info, err := client.Get("/info", answer); err == nil && status == 200 {
				fmt.Fprintln(os.Stdout, line(info))
				return
			}
		}
		time.Sleep(ask)
	}
}

// line is the report of an answer to /info. What is absent there, no string or too long is null.
func line(info []byte) string {
	var members map[string]json.RawMessage
	// What is no JSON has no members.
	json.Unmarshal(info, &members)
	text := `dind-report {"version":1`
	for _, each := range []struct{ from, name string }{
		{"ServerVersion", "serverVersion"}, {"Driver", "storageDriver"}, {"CgroupVersion", "cgroupVersion"}, {"CgroupDriver", "cgroupDriver"},
	} {
		var value *string
		if json.Unmarshal(members[each.from], &value) != nil || value == nil || len(*value) > valueMax {
			text += fmt.Sprintf(`,"%s":null`, each.name)
			continue
		}
		text += fmt.Sprintf(`,"%s":%s`, each.name, jsontext.Quote(*value))
	}
	return text + "}"
}

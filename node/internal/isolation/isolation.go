// Package isolation asks whether a container that dockerd starts is really inside this one. The kernel is asked: a container is started through the
// Docker API, like anybody's, and the groups of its process are read. Its image is empty, so nothing is pulled, and this program is bound into it.
// Whatever was made is removed, also what an earlier daemon was killed over.
package isolation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"dind.dev/node/internal/docker"
	"dind.dev/node/internal/jsontext"
)

const (
	// within: alone it takes less than a second; beside a build that saturates the node it has all the time there is.
	within = 2 * time.Minute
	image  = "dind.dev/isolation-check"
	name   = "dind-isolation-check"
	// detailMax and saidMax bound what the line has.
	detailMax = 1023
	saidMax   = 511
)

type check struct {
	client docker.Client
	// status is that of the last answer, and refused says whether dockerd failed at starting the container.
	status  int
	refused bool
}

// Run prints one line, `dind-isolation {"version":1,"inside":true|false|null,...}`. `group` is the cgroup-parent that dockerd was given. It returns
// true when dockerd failed at starting the container, which the line says with `"startRefused":true`.
func Run(socket, group string) bool {
	c := check{client: docker.Client{Socket: socket}}
	c.remove()
	inside, detail := c.look(group)
	// Where containers cannot be started, removing them can take long.
	if c.refused {
		print(inside, detail, true)
	}
	c.remove()
	if !c.refused {
		print(inside, detail, false)
	}
	return c.refused
}

// look is true or false, or null with why there is no result.
func (c *check) look(group string) (inside, detail string) {
	process, err := c.start()
	if err == nil {
		var text []byte
		if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", process)); err == nil {
			return placed(string(text), group)
		}
	}
	return "null", err.Error()
}

// call sends a request; an answer that is an error is an error.
func (c *check) call(method, path, contentType string, body []byte) ([]byte, error) {
	status, answer, err := c.client.Do(docker.Request{Method: method, Path: path, ContentType: contentType, Body: body}, within)
	c.status = status
	if err != nil {
		return nil, err
	}
	if status >= 300 {
		var said struct{ Message string }
		json.Unmarshal(answer, &said)
		return nil, fmt.Errorf("%s %s: HTTP status %d: %.*s", method, path, status, saidMax, said.Message)
	}
	return answer, nil
}

func (c *check) remove() {
	kept := c.status
	c.call("DELETE", "/containers/"+name+"?force=1&v=1", "", nil)
	c.call("DELETE", "/images/"+image+"?force=1", "", nil)
	c.status = kept
}

// start returns the number that this PID namespace has for the container's process.
func (c *check) start() (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// An archive without files is two empty blocks.
	answer, err := c.call("POST", "/images/create?fromSrc=-&repo="+image, "application/x-tar", make([]byte, 1024))
	if err != nil {
		return 0, err
	}
	// The status of this one was sent before the work was done.
	if strings.Contains(string(answer), `"errorDetail"`) {
		return 0, fmt.Errorf("the image could not be made: %.300s", answer)
	}
	if _, err := c.call("POST", "/containers/create?name="+name, "application/json", container(program)); err != nil {
		return 0, err
	}
	if _, err := c.call("POST", "/containers/"+name+"/start", "", nil); err != nil {
		// The container is our own, so nothing is wrong with it. An authorization plugin of the user answers 403.
		c.refused = c.status >= 400 && c.status != 403
		return 0, err
	}
	return c.process()
}

// container has no network and no log: neither is asked about, and either may be misconfigured by the user.
func container(program string) []byte {
	text, _ := json.Marshal(map[string]any{
		"Image": image, "Cmd": []string{"/dind-node", "pause"}, "NetworkDisabled": true,
		"Labels": map[string]string{image: ""},
		"HostConfig": map[string]any{
			"NetworkMode": "none", "LogConfig": map[string]string{"Type": "none"}, "Binds": []string{program + ":/dind-node:ro"},
		},
	})
	return text
}

func (c *check) process() (int, error) {
	answer, err := c.call("GET", "/containers/"+name+"/json", "", nil)
	if err != nil {
		return 0, err
	}
	var about struct{ State struct{ Pid int } }
	if err := json.Unmarshal(answer, &about); err != nil || about.State.Pid <= 0 {
		return 0, errors.New("the container ended at once")
	}
	return about.State.Pid, nil
}

// placed says whether all groups that count are below the group; else which one is not. What is outside this cgroup namespace begins with /..
// The tree of version 2 of a hybrid machine has no controllers and counts only when alone.
func placed(text, group string) (inside, detail string) {
	seen, unified := false, ""
	for _, line := range strings.Split(text, "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) < 3 {
			continue
		}
		controllers, path := fields[1], fields[2]
		if controllers == "" {
			unified = path
		}
		if !counts(controllers) {
			continue
		}
		seen = true
		if !below(path, group) {
			return "false", controllers + ":" + path
		}
	}
	if seen || below(unified, group) {
		return "true", ""
	}
	return "false", unified
}

// counts: a hierarchy is one whose limits are promised.
func counts(controllers string) bool {
	for _, name := range strings.Split(controllers, ",") {
		if name == "memory" || name == "cpu" || name == "pids" {
			return true
		}
	}
	return false
}

func below(path, group string) bool {
	return strings.HasPrefix(path, group+"/") && !strings.Contains(path, "/../")
}

func print(inside, detail string, refused bool) {
	more := ""
	if refused {
		more = `,"startRefused":true`
	}
	// One write, so that lines of others cannot come in between.
	fmt.Fprintf(os.Stdout, "dind-isolation {\"version\":1,\"inside\":%s,\"detail\":\"%s\"%s}\n", inside, jsontext.EscapeFirst(detail, detailMax), more)
}

// PauseMain is the program of that container: it does nothing until it is ended.
func PauseMain(arguments []string) int {
	if len(arguments) > 0 {
		return 2
	}
	for {
		time.Sleep(time.Hour)
	}
}

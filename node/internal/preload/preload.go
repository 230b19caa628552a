// Package preload pulls images through the Docker API before the daemon counts as ready, so that any image with dockerd will do, and says how far it is
// in lines of the container's log. Of what a registry or dockerd says only its kind is passed on: the sentence itself is in dockerd's own log.
package preload

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/docker"
	"dind.dev/node/internal/periods"
)

const (
	// idle is the longest silence during a pull: dockerd tells of progress many times a second, and of a layer that is being unpacked from time to time.
	idle = 10 * time.Minute
	// answer: the first headers are there when the first registry was asked.
	answer = 10 * time.Second
	ask    = 200 * time.Millisecond
	// maxImages and maxName are as bounded in the API, and more.
	maxImages = 64
	maxName   = 512
)

// kinds are what an error is about, by what dockerd's sentence has in it; the first that fits.
var kinds = []struct{ text, kind string }{
	{"x509", "UntrustedCertificate"},
	{"tls: ", "UntrustedCertificate"},
	{"http response to https client", "NoTls"},
	{"no space left", "DiskFull"},
	{"/etc/subuid", "UserOutsideNamespace"},
	{"toomanyrequests", "RateLimited"},
	{"rate limit", "RateLimited"},
	{"unauthorized", "Denied"},
	{"authentication required", "Denied"},
	{"no basic auth", "Denied"},
	{"denied", "Denied"},
	{"no such host", "Unreachable"},
	{"connection refused", "Unreachable"},
	{"timeout", "Unreachable"},
	{"deadline exceeded", "Unreachable"},
	{"unreachable", "Unreachable"},
	{"no route to host", "Unreachable"},
	{"server misbehaving", "Unreachable"},
	{"manifest unknown", "NotFound"},
	{"not found", "NotFound"},
}

// kindOf is the kind of an error of dockerd's.
func kindOf(said string) string {
	said = strings.ToLower(said)
	for _, each := range kinds {
		if strings.Contains(said, each.text) {
			return each.kind
		}
	}
	return "Failed"
}

// Preload is what is to be pulled.
type Preload struct {
	// Socket is the daemon's, Credentials a file of `docker login`, and Marker the file that is made when all images are there.
	Socket, Credentials, Marker string
	// Images are names with blanks between.
	Images string
}

type image struct {
	name  string
	there bool
	// failed is what its last try came to; nothing for an image that was not tried, or is there.
	failed string
}

type state struct {
	Preload
	client docker.Client
	images []image
	// pulling is the number of the image that is being pulled, 0 for none.
	pulling int
}

// Run pulls the images that are not there, again and again until all are, then makes the file. It prints a `dind-preload` line when something has
// changed. A name that is too long ends it at once.
func Run(preload Preload) {
	s := state{Preload: preload, client: docker.Client{Socket: preload.Socket}}
	for _, name := range strings.Fields(preload.Images) {
		if len(name) >= maxName {
			return
		}
		if len(s.images) < maxImages {
			s.images = append(s.images, image{name: name})
		}
	}
	for {
		if status, _, err := s.client.Get("/_ping", answer); err == nil && status == 200 {
			break
		}
		time.Sleep(ask)
	}
	wait := periods.Get()
	for pause := wait.PullAgainMin; !s.round(); pause = min(2*pause, wait.PullAgainMax) {
		s.say()
		time.Sleep(pause)
	}
	s.say()
	// Without it nobody would ever take the daemon for ready; a disk that is full now is not for ever.
	for {
		file, err := os.OpenFile(s.Marker, os.O_WRONLY|os.O_CREATE|unix.O_CLOEXEC, 0o600)
		if err == nil {
			file.Close()
			return
		}
		time.Sleep(ask)
	}
}

// round tries all that are not there yet; true when all are. What failed in the last round is told of until that image is there.
func (s *state) round() bool {
	all := true
	for i := range s.images {
		each := &s.images[i]
		if !each.there {
			each.there = s.bring(i)
		}
		all = all && each.there
	}
	return all
}

// bring is true when the image is there now.
func (s *state) bring(number int) bool {
	each := &s.images[number]
	name, tag := split(each.name)
	if s.isThere(name, tag) {
		each.failed = ""
		return true
	}
	s.pulling = number + 1
	s.say()
	each.failed = s.pull(each.name, name, tag)
	// An answer that ends in the middle, as of a dockerd that was restarted, looks like one that is whole.
	if each.failed == "" && !s.isThere(name, tag) {
		each.failed = "Failed"
	}
	s.pulling = 0
	return each.failed == ""
}

func (s *state) isThere(name, tag string) bool {
	mark := ":"
	if strings.HasPrefix(tag, "sha256:") {
		mark = "@"
	}
	status, _, err := s.client.Get("/images/"+name+mark+tag+"/json", answer)
	return err == nil && status == 200
}

// pull returns nothing when it worked, else of what kind the error is.
func (s *state) pull(whole, name, tag string) string {
	request := docker.Request{Method: "POST", Path: "/images/create?fromImage=" + name + "&tag=" + tag}
	if header, found := docker.Auth(s.Credentials, registryOf(whole)); found {
		request.Header = map[string]string{"X-Registry-Auth": header}
	}
	failed := ""
	var last []byte
	status, err := s.client.Stream(request, idle, func(line []byte) {
		if failed == "" && bytes.Contains(line, []byte(`"errorDetail"`)) {
			failed = string(line)
		}
		last = append(last[:0], line...)
	})
	switch {
	case err != nil:
		return kindOf(err.Error())
	case failed != "":
		return kindOf(failed)
	case status != 200:
		return kindOf(string(last))
	}
	return ""
}

// split is the name and the tag or digest, as the API takes them. A name alone would mean all tags.
func split(image string) (name, tag string) {
	name, digest, pinned := strings.Cut(image, "@")
	tag = "latest"
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 && !strings.Contains(name[colon:], "/") {
		name, tag = name[:colon], name[colon+1:]
	}
	if pinned {
		tag = digest
	}
	return name, tag
}

// registryOf is the part before the first slash if it can be a host, as Docker decides it.
func registryOf(image string) string {
	host, _, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" || strings.EqualFold(host, "index.docker.io") {
		return "docker.io"
	}
	return host
}

// say prints a line. The first image that could not be had is named, so that the same is told of while several cannot.
func (s *state) say() {
	done, pulling, failing, kind := 0, "null", "null", "None"
	for i, each := range s.images {
		if each.there {
			done++
		}
		if each.failed != "" && failing == "null" {
			failing, kind = fmt.Sprint(i+1), each.failed
		}
	}
	if s.pulling > 0 {
		pulling = fmt.Sprint(s.pulling)
	}
	fmt.Fprintf(os.Stdout, "dind-preload {\"version\":1,\"total\":%d,\"done\":%d,\"pulling\":%s,\"failing\":%s,\"kind\":\"%s\"}\n",
		len(s.images), done, pulling, failing, kind)
}

// Main runs `dind-node preload MARKER CREDENTIALS SOCKET IMAGE...`.
func Main(arguments []string) int {
	if len(arguments) < 4 {
		fmt.Fprintln(os.Stderr, "usage: dind-node preload MARKER CREDENTIALS SOCKET IMAGE...")
		return 2
	}
	marker := arguments[0]
	Run(Preload{Marker: marker, Credentials: arguments[1], Socket: arguments[2], Images: strings.Join(arguments[3:], " ")})
	if _, err := os.Stat(marker); err != nil {
		return 125
	}
	return 0
}

package docker

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
)

const (
	hub = "docker.io"
	// hubAddress is what Docker Hub is called in files of `docker login` and by the API.
	hubAddress = "https://index.docker.io/v1/"
	// credentialsMax is what a Secret holds.
	credentialsMax = 1 << 20
)

// login is an entry of a file as `docker login` and Secrets of type kubernetes.io/dockerconfigjson have it.
type login struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`
}

// entries are the members of "auths" as they are in the file: several may be of one registry, and the first with credentials is taken each time.
type entries []struct {
	name  string
	value json.RawMessage
}

func (e *entries) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.New("no object")
	}
	*e = nil
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		*e = append(*e, struct {
			name  string
			value json.RawMessage
		}{name.(string), value})
	}
	return nil
}

// Auth returns the value of the header X-Registry-Auth for a registry (host[:port], docker.io for Docker Hub), false if the file has no credentials
// for it. The file is read each time, so that a change is followed. Nothing of it is printed.
func Auth(file, registry string) (string, bool) {
	opened, err := os.Open(file)
	if err != nil {
		return "", false
	}
	defer opened.Close()
	text, err := io.ReadAll(io.LimitReader(opened, credentialsMax))
	if err != nil {
		return "", false
	}
	return auth(text, registry)
}

func auth(text []byte, registry string) (string, bool) {
	var file struct {
		Auths entries `json:"auths"`
	}
	if json.Unmarshal(text, &file) != nil {
		return "", false
	}
	for _, entry := range file.Auths {
		var found login
		if !strings.EqualFold(hostOf(entry.name), registry) || json.Unmarshal(entry.value, &found) != nil {
			continue
		}
		if wanted, ok := found.asWanted(); ok {
			wanted.ServerAddress = registry
			if registry == hub {
				wanted.ServerAddress = hubAddress
			}
			// This cannot fail: all members are strings.
			encoded, _ := json.Marshal(wanted)
			return base64.URLEncoding.EncodeToString(encoded), true
		}
	}
	return "", false
}

// asWanted is the entry as the API takes it. "auth" is user:password in base64, and wins over what is beside it as text, as with docker and the
// kubelet.
func (l login) asWanted() (login, bool) {
	if l.IdentityToken != "" {
		return login{IdentityToken: l.IdentityToken}, true
	}
	if user, password, found := strings.Cut(decode(l.Auth), ":"); found {
		return login{Username: user, Password: password}, true
	}
	return login{Username: l.Username, Password: l.Password}, l.Username != "" && l.Password != ""
}

// decode reads base64 of either alphabet, with padding or without, over several lines or in one.
func decode(text string) string {
	plain := strings.Map(func(char rune) rune {
		switch char {
		case '-':
			return '+'
		case '_':
			return '/'
		case '=', '\n', '\r', ' ', '\t':
			return -1
		}
		return char
	}, text)
	decoded, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return ""
	}
	return string(decoded)
}

// hostOf is the host of a name such as https://registry.example.com:5000/v1/.
func hostOf(name string) string {
	if _, rest, found := strings.Cut(name, "://"); found {
		name = rest
	}
	name, _, _ = strings.Cut(name, "/")
	if strings.EqualFold(name, "index."+hub) || strings.EqualFold(name, "registry-1."+hub) {
		return hub
	}
	return name
}

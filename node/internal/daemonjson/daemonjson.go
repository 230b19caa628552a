// Package daemonjson composes dockerd's daemon.json as data.
package daemonjson

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
)

// Config are its members. What is not changed here stays as it was written.
type Config map[string]json.RawMessage

// Encode is the value as compact JSON, with <, > and & as they are.
func Encode(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	// Strings, numbers and lists of them cannot fail.
	encoder.Encode(value)
	return bytes.TrimSpace(text.Bytes())
}

// spelled is the name as the configuration has it: dockerd does not mind upper and lower case.
func (c Config) spelled(name string) (string, bool) {
	for key := range c {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return name, false
}

// Set sets a member.
func (c Config) Set(name string, value any) {
	key, _ := c.spelled(name)
	c[key] = Encode(value)
}

// SetDefault sets a member that nobody has set.
func (c Config) SetDefault(name string, value any) {
	if _, there := c.spelled(name); !there {
		c.Set(name, value)
	}
}

// Has says whether somebody has set a member.
func (c Config) Has(name string) bool {
	_, there := c.spelled(name)
	return there
}

// Read reads a member into the value; one that is absent or of another type leaves it as it is.
func (c Config) Read(name string, value any) {
	key, _ := c.spelled(name)
	json.Unmarshal(c[key], value)
}

// Write writes the file, for this user alone: it may hold a registry's or proxy's secrets.
func Write(file string, text []byte) error {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

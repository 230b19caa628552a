// Package daemonjson composes dockerd's daemon.json as data.
package daemonjson

import (
	"bytes"
	"encoding/json"
	"os"
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

// Set sets a member.
func (c Config) Set(name string, value any) { c[name] = Encode(value) }

// SetDefault sets a member that nobody has set.
func (c Config) SetDefault(name string, value any) {
	if _, there := c[name]; !there {
		c.Set(name, value)
	}
}

// Text is a member that is a string; empty if it is none.
func (c Config) Text(name string) string {
	var text string
	json.Unmarshal(c[name], &text)
	return text
}

// Write writes the file, for this user alone: it may hold a registry's or proxy's secrets.
func Write(file string, text []byte) error {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

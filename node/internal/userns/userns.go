// Package userns says whether this process is in a user namespace.
package userns

import (
	"os"
	"strings"
)

// Inside says whether this process is in one: outside of any, the whole range of IDs is mapped onto itself.
func Inside() bool {
	text, _ := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}

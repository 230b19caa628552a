// Package proxy is the HTTP proxy of the environment. dockerd and all that it starts have it in their variables, which the pod sets. Nested
// containers and builds would have it only from clients that send it, so the wrapper of runc writes it into each of them.
package proxy

import (
	"os"
	"strings"
)

// Variables are the proxy's variables of this process, as NAME=VALUE, for nested containers. Some programs read only one of two spellings.
func Variables() []string {
	var found []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value := os.Getenv(name); value != "" {
			found = append(found, name+"="+value, strings.ToLower(name)+"="+value)
		}
	}
	return found
}

// Package proxy is the HTTP proxy of the environment. dockerd and all that it starts have it in their variables, which the pod sets. Nested
// containers and builds would have it only from clients that send it, so the wrapper of runc writes it into each of them.
package proxy

import (
	"os"
	"strings"
	"unicode"

	"dind.dev/node/internal/config"
	"dind.dev/node/internal/failure"
)

// Check says whether the variables have a proxy: the kubelet leaves out one whose key is missing. The URL may have a password and is not told.
func Check(asked *config.Proxy) error {
	if asked == nil || asked.Secret == "" {
		return nil
	}
	failure.Doing("Registry", "RegistryFilesMissing", "Checking the proxy")
	given := false
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		url := os.Getenv(name)
		if url == "" {
			continue
		}
		given = true
		known := strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
		if !known || strings.ContainsFunc(url, func(char rune) bool { return unicode.IsSpace(char) || unicode.IsControl(char) }) {
			return failure.New("Registry", "RegistryFilesMissing", "A key of the Secret %s is no URL of a proxy. httpProxy and httpsProxy are to begin with "+
				"http:// or https:// and to have no white space or line break: correct them; the pod then goes on within five minutes.", asked.Secret)
		}
	}
	if !given {
		return failure.New("Registry", "RegistryFilesMissing", "The Secret %s in the environment's namespace is not there, or has neither of the keys httpProxy "+
			"and httpsProxy. spec.network.proxy.secretRef needs one of them, with the URL of a proxy: make it; the pod then goes on within five "+
			"minutes.", asked.Secret)
	}
	return nil
}

// Direct sets the variables of what is accessed without it: the ranges of nested networks, too, which only the pod knows. The wrapper of runc
// gives them to nested containers.
func Direct(asked *config.Proxy, ranges []string) {
	if asked == nil {
		return
	}
	direct := os.Getenv("NO_PROXY")
	for _, each := range ranges {
		direct += "," + each
	}
	os.Setenv("NO_PROXY", direct)
	os.Setenv("no_proxy", direct)
}

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

module dind.dev/node

go 1.24.0

// Linux calls that the standard library has no names for: mounts, namespaces, ioctl, prctl. Kept by the Go project.
require golang.org/x/sys v0.36.0

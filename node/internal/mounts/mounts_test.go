package mounts

import (
	"testing"
)

const table = `22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/a - b
23 22 0:22 / /var/lib/docker rw - ext4 /dev/sda1 rw
24 22 0:23 / /var/lib/docker/my\040folder rw master:1 - tmpfs tmpfs rw
25 22 0:24 / /var/lib/docker rw - xfs /dev/sdb rw
half a line
26 22 0:25 / /var/lib/docker2 rw - btrfs x rw
27 22 0:26 / /a b rw - zfs x rw
`

func TestFilesystem(t *testing.T) {
	mounts := parse(table)
	for path, want := range map[string]string{
		"/":                           "overlay",
		"/etc":                        "overlay",
		"/var/lib/docker":             "xfs",
		"/var/lib/docker/x":           "xfs",
		"/var/lib/docker/my folder/x": "tmpfs",
		"/var/lib/docker/my folder2":  "xfs",
		"/a b/c":                      "zfs",
		"/var/lib/docker2":            "btrfs",
	} {
		if got := filesystem(mounts, path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := filesystem(nil, "/"); got != "unknown" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(table)
	f.Add("1 2 3 4 \\04 - \\")
	f.Fuzz(func(t *testing.T, text string) {
		for _, each := range parse(text) {
			if each.Point == "" {
				t.Errorf("a mount nowhere in %q", text)
			}
		}
	})
}

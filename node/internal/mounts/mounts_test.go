package mounts

import (
	"slices"
	"strings"
	"testing"

	"dind.dev/node/internal/testbox"
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

func TestUnmountAllTakesWhatIsBelowAndStackedAndNothingBeside(t *testing.T) {
	script := `mount -t tmpfs t /mnt
for d in /mnt/a '/mnt/a/b c' /mnt/a/d /mnt/ab; do mkdir -p "$d"; mount -t tmpfs t "$d"; done
mkdir -p '/mnt/a/b c' /mnt/a/d; mount -t tmpfs t '/mnt/a/b c'; mount -t tmpfs t /mnt/a/d; mount --bind /mnt/ab /mnt/a
mkdir /mnt/a/open; mount -t tmpfs t /mnt/a/open; sleep 60 </mnt/a/open &`
	if !testbox.Inside(t, script) {
		return
	}
	UnmountAll("/mnt/a")
	var left []string
	for _, each := range Table() {
		if strings.HasPrefix(each.Point, "/mnt/a") {
			left = append(left, each.Point)
		}
	}
	if !slices.Equal(left, []string{"/mnt/ab"}) {
		t.Error(left)
	}
}

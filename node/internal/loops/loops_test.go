package loops

import (
	"reflect"
	"testing"
)

func TestNumbers(t *testing.T) {
	for name, want := range map[string]int{"loop0": 0, "loop1023": 1023, "loop1024": -1, "loop": -1, "loop-1": -1, "loop1p1": -1, "sda": -1, "loop99999999999999999999": -1} {
		if got := numberOf(name); got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestARecordCountsForOneStartOfTheNode(t *testing.T) {
	text := "boot\n7 2049 12\n9 18446744073709551615 1\nx 1 1\n-1 1 1\n1024 1 1\n8 1\n"
	want := map[int]file{7: {2049, 12}, 9: {1<<64 - 1, 1}}
	if got := parseRecord(text, "boot"); !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
	for _, boot := range []string{"another", ""} {
		if got := parseRecord(text, boot); len(got) > 0 {
			t.Error(got)
		}
	}
	if got := parseRecord("", ""); len(got) > 0 {
		t.Error(got)
	}
}

func TestUevents(t *testing.T) {
	for text, want := range map[string]int{
		"change@/devices/virtual/block/loop7\x00ACTION=change\x00": 7,
		"add@/devices/virtual/block/loop7/loop7p1\x00":             -1,
		"change@/devices/virtual/block/loop7":                      7,
	} {
		if got, about := ueventOf([]byte(text)); got != want || !about {
			t.Errorf("%q: %d %v", text, got, about)
		}
	}
	if _, about := ueventOf([]byte("add@/devices/virtual/net/eth0\x00")); about {
		t.Error("an interface is taken for a loop device")
	}
}

func TestOverlays(t *testing.T) {
	text := "1 2 0:45 / /a rw shared:1 - overlay overlay rw\n1 2 8:1 / /b rw - ext4 /dev/sda rw\n1 2 x:1 / /c rw - overlay overlay rw\nhalf"
	if got := overlays(text); len(got) != 1 || !got[45] {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("boot\n7 2049 12\n", "1 2 0:45 / /a rw - overlay overlay rw")
	f.Fuzz(func(t *testing.T, record, table string) {
		for number := range parseRecord(record, "boot") {
			if number < 0 || number >= numbers {
				t.Error(number)
			}
		}
		overlays(table)
		if number, _ := ueventOf([]byte(table)); number >= numbers {
			t.Error(number)
		}
	})
}

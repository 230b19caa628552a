package report

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	const empty = `,"storageDriver":null,"cgroupVersion":null,"cgroupDriver":null}`
	for info, want := range map[string]string{
		`{"ServerVersion":"29.8.1","Driver":"overlayfs","CgroupVersion":"2","CgroupDriver":"cgroupfs","X":{"Driver":"no"}}`: `"29.8.1","storageDriver":"overlayfs","cgroupVersion":"2","cgroupDriver":"cgroupfs"}`,
		`{"ServerVersion":17}`:                                 "null" + empty,
		`{"ServerVersion":"` + strings.Repeat("x", 128) + `"}`: "null" + empty,
		`{"ServerVersion":"a\"b"}`:                             `"a\"b"` + empty,
		`no JSON`:                                              "null" + empty,
	} {
		if got := line([]byte(info)); got != `dind-report {"version":1,"serverVersion":`+want {
			t.Errorf("%s: %s", info, got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"ServerVersion":"29.8.1"}`))
	f.Fuzz(func(t *testing.T, info []byte) {
		_, text, _ := strings.Cut(line(info), " ")
		if !json.Valid([]byte(text)) || strings.Contains(text, "\n") {
			t.Error(text)
		}
	})
}

package preflight

import (
	"encoding/json"

	"golang.org/x/sys/unix"

	"dind.dev/node/internal/failure"
	"dind.dev/node/internal/jsontext"
	"dind.dev/node/internal/network"
	"dind.dev/node/internal/security"
	"dind.dev/node/internal/storage"
)

// textMax bounds the texts of the report, so that it is never longer than the kubelet keeps it.
const textMax = 256

// report is what the operator reads in the termination message of the init container. What is not known yet is null when something fails.
type report struct {
	Version  int             `json:"version"`
	OK       bool            `json:"ok"`
	Tool     string          `json:"tool"`
	Mode     text            `json:"mode"`
	Kernel   text            `json:"kernel"`
	Arch     text            `json:"arch"`
	Cgroup   cgroupReport    `json:"cgroup"`
	Memory   memoryReport    `json:"memory"`
	AppArmor apparmorReport  `json:"apparmor"`
	Storage  storageReport   `json:"storage"`
	Network  *network.Report `json:"network"`
	Inotify  *inotifyReport  `json:"inotify"`
	Error    json.RawMessage `json:"error"`
}

type cgroupReport struct {
	Version     *int     `json:"version"`
	Controllers []string `json:"controllers"`
}

type memoryReport struct {
	LimitBytes *uint64 `json:"limitBytes"`
}

type apparmorReport struct {
	Enabled bool `json:"enabled"`
	Profile text `json:"profile"`
}

type storageReport struct {
	Path       string `json:"path"`
	Filesystem text   `json:"filesystem"`
	Overlay    bool   `json:"overlay"`
	Driver     text   `json:"driver"`
}

type inotifyReport struct {
	Limit int `json:"limit"`
	Free  int `json:"free"`
}

// text is null for none.
type text string

// MarshalJSON bounds it.
func (t text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return []byte(`"` + jsontext.EscapeFirst(string(t), textMax) + `"`), nil
}

// newReport is one that knows of the machine alone.
func newReport(mode string) report {
	var about unix.Utsname
	unix.Uname(&about)
	return report{
		Version: 1, Tool: security.Release, Mode: text(mode), Kernel: text(unix.ByteSliceToString(about.Release[:])),
		Arch: text(unix.ByteSliceToString(about.Machine[:])), Cgroup: cgroupReport{Controllers: []string{}},
		Storage: storageReport{Path: storage.Volume},
	}
}

// write leaves it as the termination message.
func (r *report) write(failed *failure.Failure) {
	r.OK, r.Error = failed == nil, json.RawMessage("null")
	if failed != nil {
		r.Error = json.RawMessage(failed.JSON())
	}
	encoded, err := json.Marshal(r)
	if err == nil {
		failure.Terminate(string(encoded))
	}
}

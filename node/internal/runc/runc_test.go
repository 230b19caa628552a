package runc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func read(t *testing.T, text string) object {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var found object
	if err := decoder.Decode(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

// same compares as JSON, because changes put numbers of Go's beside those that were read.
func same(t *testing.T, got object, want string) bool {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(read(t, string(text)), read(t, want))
}

func limitFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limit")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOOMScore(t *testing.T) {
	for _, each := range []struct{ before, after string }{
		{`{"oomScoreAdj":0}`, `{"oomScoreAdj":870}`},
		{`{"oomScoreAdj":-500}`, `{"oomScoreAdj":870}`},
		{`{"oomScoreAdj":870}`, ""},
		{`{"oomScoreAdj":1000}`, ""},
		{`{"oomScoreAdj":"x"}`, ""},
		{`{"oomScoreAdj":1.5e300}`, ""},
		{`{"args":["oomScoreAdj"]}`, ""},
	} {
		process := read(t, each.before)
		if got := keepOOMScore(process, 870); got != (each.after != "") {
			t.Errorf("%s: %v", each.before, got)
		}
		if each.after != "" && !same(t, process, each.after) {
			t.Errorf("%s: %v", each.before, process)
		}
	}
	if keepOOMScore(nil, 870) {
		t.Error("a container without a process has changed")
	}
}

func TestMemory(t *testing.T) {
	const given = "402653184"
	for name, each := range map[string]struct{ before, after string }{
		"as of docker run":     {`{"memory":{},"cpu":{"shares":0}}`, `{"memory":{"limit":402653184},"cpu":{"shares":0}}`},
		"with a limit":         {`{"memory":{"limit":67108864}}`, ""},
		"with another setting": {`{"memory":{"swappiness":0}}`, `{"memory":{"limit":402653184,"swappiness":0}}`},
		"as of a build":        {`{"pids":{"limit":0}}`, `{"memory":{"limit":402653184},"pids":{"limit":0}}`},
		"none at all":          {`{}`, `{"memory":{"limit":402653184}}`},
		"of another type":      {`{"memory":[]}`, `{"memory":{"limit":402653184}}`},
	} {
		settings := Settings{MemoryLimitFile: limitFile(t, given+"\n")}
		config := read(t, `{"linux":{"resources":`+each.before+`}}`)
		if got := settings.limitMemory(config); got != (each.after != "") {
			t.Errorf("%s: %v", name, got)
		}
		if each.after != "" && !same(t, config, `{"linux":{"resources":`+each.after+`}}`) {
			t.Errorf("%s: %v", name, config)
		}
	}
	for _, text := range []string{"max\n", "9223372036854771712\n", "", "x"} {
		if (Settings{MemoryLimitFile: limitFile(t, text)}).limitMemory(read(t, `{"linux":{"resources":{}}}`)) {
			t.Errorf("%q is taken for a limit", text)
		}
	}
	if (Settings{}).limitMemory(read(t, `{"linux":{"resources":{}}}`)) || (Settings{MemoryLimitFile: limitFile(t, given)}).limitMemory(read(t, `{}`)) {
		t.Error("a container without resources has changed")
	}
}

func TestSysfs(t *testing.T) {
	config := read(t, `{"mounts":[{"type":"proc","options":["nosuid"]},{"type":"sysfs","options":["nosuid"]},{"type":"sysfs"},7]}`)
	want := `{"mounts":[{"type":"proc","options":["nosuid"]},{"type":"sysfs","options":["ro","nosuid"]},{"type":"sysfs"},7]}`
	if !keepSysfsReadOnly(config) || !same(t, config, want) {
		t.Error(config)
	}
	if keepSysfsReadOnly(config) {
		t.Error("it is asked for twice")
	}
}

func TestTheProxyComesBeforeTheContainersOwnVariables(t *testing.T) {
	settings := Settings{Proxy: []string{"HTTP_PROXY=http://p:1", "http_proxy=http://p:1"}}
	for before, after := range map[string]string{
		`{"env":["HTTP_PROXY=own"]}`: `{"env":["HTTP_PROXY=http://p:1","http_proxy=http://p:1","HTTP_PROXY=own"]}`,
		`{"env":[]}`:                 `{"env":["HTTP_PROXY=http://p:1","http_proxy=http://p:1"]}`,
		`{}`:                         `{"env":["HTTP_PROXY=http://p:1","http_proxy=http://p:1"]}`,
	} {
		process := read(t, before)
		if !settings.addProxy(process) || !same(t, process, after) {
			t.Errorf("%s: %v", before, process)
		}
	}
	if settings.addProxy(nil) || (Settings{}).addProxy(object{}) {
		t.Error("nothing was to be changed")
	}
}

func TestALimitThatMayNotBeHadIsLowered(t *testing.T) {
	var own unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &own); err != nil {
		t.Fatal(err)
	}
	// Nobody may have more files than the kernel's fs.nr_open, with whatever capability.
	process := read(t, `{"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":18446744073709551615},
		{"type":"RLIMIT_NOFILE","hard":10,"soft":5},{"type":"RLIMIT_X","hard":18446744073709551615,"soft":1},7]}`)
	if !lowerLimits(process) {
		t.Fatal("nothing was lowered")
	}
	limits := process["rlimits"].([]any)
	if got := limits[0].(object); got["hard"] != own.Max || got["soft"] != own.Max {
		t.Error(got)
	}
	if got := limits[1].(object); got["hard"] != json.Number("10") || got["soft"] != json.Number("5") {
		t.Error(got)
	}
	var after unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &after); after != own {
		t.Error("this process's own limits have changed", after)
	}
	if lowerLimits(read(t, `{}`)) {
		t.Error("nothing was to be lowered")
	}
}

func TestNamed(t *testing.T) {
	for call, want := range map[string][2]string{
		"--root /r create --bundle /b --pid-file /p id": {"/b", ""},
		"run --bundle=/b id":                            {"/b", ""},
		"create -b /b id":                               {"/b", ""},
		"exec --process /f id":                          {"", "/f"},
		"exec -p /f id":                                 {"", "/f"},
		"delete --force id":                             {"", ""},
		"create --bundle":                               {"", ""},
	} {
		bundle, process := named(strings.Fields(call))
		if bundle != want[0] || process != want[1] {
			t.Errorf("%s: %q %q", call, bundle, process)
		}
	}
}

func TestAFileIsReplacedOnlyWhereSomethingChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	text, err := os.ReadFile("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, text, 0o640)
	before, _ := os.Stat(path)
	if err := rewrite(path, Settings{}.changeContainer); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("it was written without a change")
	}
	settings := Settings{Proxy: []string{"A=<&>"}, MemoryLimitFile: limitFile(t, "1048576")}
	if err := rewrite(path, settings.changeContainer); err != nil {
		t.Fatal(err)
	}
	changed, _ := os.ReadFile(path)
	want := strings.Replace(strings.Replace(string(text), `"env": [`, `"env": ["A=<&>",`, 1), `"resources": {`, `"resources": {"memory":{"limit":1048576},`, 1)
	if !reflect.DeepEqual(read(t, string(changed)), read(t, want)) || !strings.Contains(string(changed), "<&>") {
		t.Error(string(changed))
	}
	if after, _ := os.Stat(path); after.Mode() != before.Mode() {
		t.Error(after.Mode())
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Error(entries)
	}
}

func TestWhatIsNoConfigurationStaysAsItIs(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{", `"x"`} {
		path := filepath.Join(t.TempDir(), "config.json")
		os.WriteFile(path, []byte(text), 0o644)
		if err := rewrite(path, func(object) bool { t.Error("changed"); return true }); err != nil {
			t.Error(err)
		}
	}
	if err := rewrite("/no/such/file", nil); err != nil {
		t.Error(err)
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	folder := t.TempDir()
	os.WriteFile(filepath.Join(folder, settingsFile), []byte(`{"other":1}`), 0o600)
	if _, err := readSettings(folder); err == nil {
		t.Error("unknown settings are taken")
	}
}

func FuzzChange(f *testing.F) {
	text, err := os.ReadFile("testdata/config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"process":{"oomScoreAdj":-1,"env":[1],"rlimits":[{"type":"RLIMIT_NOFILE","hard":-1}]},"mounts":[{"type":"sysfs","options":["x"]}],"linux":{"resources":{"memory":{}}}}`)
	settings := Settings{KeepOOMScore: true, Proxy: []string{"A=B"}, MemoryLimitFile: "/proc/self/oom_score_adj"}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var config object
		if decoder.Decode(&config) != nil || config == nil {
			return
		}
		settings.changeContainer(config)
		keepSysfsReadOnly(config)
		settings.changeProcess(config)
		if _, err := json.Marshal(config); err != nil {
			t.Error(err)
		}
	})
}

package isolation

import (
	"encoding/json"
	"testing"
)

func TestPlaced(t *testing.T) {
	for name, each := range map[string]struct{ text, inside, detail string }{
		"version 1":                {"3:memory:/docker/x\n2:pids:/docker/x\n1:name=systemd:/\n", "true", ""},
		"one outside":              {"3:memory:/docker/x\n2:pids:/\n", "false", "pids:/"},
		"above":                    {"3:memory:/../docker/x\n", "false", "memory:/../docker/x"},
		"below and out again":      {"3:memory:/docker/../x\n", "false", "memory:/docker/../x"},
		"a name that begins alike": {"3:memory:/docker2/x\n", "false", "memory:/docker2/x"},
		"the group itself":         {"3:memory:/docker\n", "false", "memory:/docker"},
		"version 2":                {"0::/docker/x\n", "true", ""},
		"version 2 outside":        {"0::/x\n", "false", "/x"},
		"hybrid":                   {"3:memory:/docker/x\n0::/\n", "true", ""},
		"others do not count":      {"3:memory:/docker/x\n2:freezer:/\n", "true", ""},
		"nothing":                  {"", "false", ""},
	} {
		if inside, detail := placed(each.text, "/docker"); inside != each.inside || detail != each.detail {
			t.Errorf("%s: %s %s", name, inside, detail)
		}
	}
}

func TestTheContainerIsValid(t *testing.T) {
	if !json.Valid(container(`/a "b"/dind-node`)) {
		t.Error("no JSON")
	}
}

func FuzzPlaced(f *testing.F) {
	f.Add("3:memory:/docker/x\n0::/", "/docker")
	f.Fuzz(func(t *testing.T, text, group string) { placed(text, group) })
}

package failure

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnErrorFitsWhateverItsMessageHolds(t *testing.T) {
	text := Of(New("Storage", "StorageNotWritable", "%s", strings.Repeat("\x01\xff", 9000))).JSON()
	var found struct{ Check, Reason, Message string }
	if err := json.Unmarshal([]byte(text), &found); err != nil || len(text) > 3000 || found.Check != "Storage" {
		t.Errorf("%d bytes: %v", len(text), err)
	}
}

func TestAnUnexpectedErrorIsToldInTheTermsOfWhatWasDone(t *testing.T) {
	Doing("Storage", "StorageNotWritable", "Looking")
	got := Of(errors.New("no luck"))
	if got.Check != "Storage" || got.Reason != "StorageNotWritable" || !strings.HasPrefix(got.Message, "Looking stopped unexpectedly: no luck.") {
		t.Error(got)
	}
	if known := New("A", "B", "c"); Of(known) != known {
		t.Error("a failure was changed")
	}
}

func TestATerminationMessageIsWrittenOnlyWhereTheKubeletPutAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	t.Setenv("DIND_TERMINATION_LOG", file)
	Terminate("{}")
	if _, err := os.Stat(file); err == nil || Remedy("field", "flag") != "flag" || MessageFile() != "" {
		t.Error("there is a file")
	}
	os.WriteFile(file, []byte("something longer than it"), 0o644)
	Terminate("{}")
	if text, _ := os.ReadFile(file); string(text) != "{}\n" || Remedy("field", "flag") != "field" || MessageFile() != file {
		t.Errorf("%q", text)
	}
}

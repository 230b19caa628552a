package daemonjson

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsNotChangedStaysAsItWas(t *testing.T) {
	config, err := parse(` {"big": 12345678901234567890, "text":"a <b> & c", "nested": {"a": [1, 2]}, "mtu": 1400}`)
	if err != nil {
		t.Fatal(err)
	}
	config.SetDefault("mtu", 1500)
	config.SetDefault("Mtu", 1500)
	config.SetDefault("bip", "172.17.0.1/16")
	config.Set("dns", []string{"a&b"})
	const want = `{"big":12345678901234567890,"bip":"172.17.0.1/16","dns":["a&b"],"mtu":1400,"nested":{"a":[1,2]},"text":"a <b> & c"}`
	if got := string(Encode(config)); got != want {
		t.Error(got)
	}
	for name, want := range map[string]string{"text": "a <b> & c", "TEXT": "a <b> & c", "mtu": "", "none": ""} {
		var got string
		if config.Read(name, &got); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func parse(text string) (Config, error) {
	var found Config
	err := json.Unmarshal([]byte(text), &found)
	return found, err
}

func TestWriteIsForThisUserAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "daemon.json")
	os.WriteFile(file, []byte("longer than what follows"), 0o644)
	if err := Write(file, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	about, _ := os.Stat(file)
	if text, _ := os.ReadFile(file); string(text) != "{}\n" || about.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v", text, about.Mode())
	}
}

func FuzzSetDefault(f *testing.F) {
	f.Add(`{"mtu": 1400, "a": {"b": []}}`)
	f.Fuzz(func(t *testing.T, text string) {
		config, err := parse(text)
		if err != nil || config == nil {
			return
		}
		config.SetDefault("bip", "172.17.0.1/16")
		if !json.Valid(Encode(config)) {
			t.Errorf("%s", Encode(config))
		}
	})
}

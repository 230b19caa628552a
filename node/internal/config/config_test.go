package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// testdata/full.json is what the operator writes with every member set: a test there compares it with its model.
func TestEveryMemberOfTheOperatorsIsKnownAndEveryOneOfOursIsThere(t *testing.T) {
	text, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	found, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	json.Unmarshal(text, &want)
	json.Unmarshal(again, &got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nbecomes\n%s", text, again)
	}
	if empty := emptyMember(reflect.ValueOf(found), "config"); empty != "" {
		t.Errorf("%s has no value there", empty)
	}
}

// emptyMember is the name of one without a value.
func emptyMember(value reflect.Value, name string) string {
	if value.IsZero() {
		return name
	}
	switch value.Kind() {
	case reflect.Pointer:
		return emptyMember(value.Elem(), name)
	case reflect.Slice:
		if value.Len() == 0 {
			return name
		}
		return emptyMember(value.Index(0), name+"[0]")
	case reflect.Struct:
		for i := range value.NumField() {
			if empty := emptyMember(value.Field(i), name+"."+value.Type().Field(i).Name); empty != "" {
				return empty
			}
		}
	}
	return ""
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", " \n", "{}"} {
		found, err := Parse([]byte(text))
		if err != nil || found.SecurityMode != "Privileged" || found.Socket != DefaultSocket || found.Network.FirewallBackend != "Auto" ||
			found.Network.Decided != nil {
			t.Errorf("%q: %+v, %v", text, found, err)
		}
	}
	if found, _ := Parse([]byte(`{"network":{"decided":[]}}`)); found.Network.Decided == nil {
		t.Error("an operator that decided nothing is none")
	}
}

func TestWhatIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{"reserveBytes":"64Mi"}`:     "cannot unmarshal string",
		`{"reserveBytes":-1}`:         "cannot unmarshal number -1",
		`{"reserveBytes":1.5}`:        "cannot unmarshal number 1.5",
		`{"securityModes":"x"}`:       `unknown field "securityModes"`,
		`{"network":{"mtus":1}}`:      `unknown field "mtus"`,
		`{"daemonConfig":"{}"}`:       "cannot unmarshal string",
		`{"daemonConfig":[]}`:         "cannot unmarshal array",
		`{} {}`:                       "there is more",
		`[]`:                          "cannot unmarshal array",
		`{`:                           "unexpected EOF",
		`{"reserveBytes":1;"socket"}`: "invalid character",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, _ := os.ReadFile("testdata/full.json")
	f.Add(text)
	f.Add([]byte(`{"reserveBytes":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := Parse(text)
		if err != nil {
			return
		}
		first, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, _ := json.Marshal(again); !bytes.Equal(first, second) {
			t.Errorf("%s becomes %s", first, second)
		}
	})
}

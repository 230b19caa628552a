package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"a\"b\\c\n\t\r\x00\x7f": `a\"b\\c\n\t\r\u0000\u007f`,
		"é😀":                    "é😀",
		"\xff\xc3":              "\ufffd\ufffd",
		"":                      "",
	} {
		if got := Escape(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\"\x00é\xff", 7)
	f.Fuzz(func(t *testing.T, text string, most int) {
		var back string
		if err := json.Unmarshal([]byte(Quote(text)), &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(text) && back != text {
			t.Errorf("%q became %q", text, back)
		}
		first := EscapeFirst(text, most)
		if len(first) > max(most, 0) || !strings.HasPrefix(Escape(text), first) || !json.Valid([]byte(`"`+first+`"`)) {
			t.Errorf("%q: %q", text, first)
		}
	})
}

// Package jsontext writes strings into JSON that is bounded in length, whatever bytes they have.
package jsontext

import "unicode/utf8"

const hex = "0123456789abcdef"

// Escape returns the inside of a JSON string with the text; bytes that are not UTF-8 become U+FFFD.
func Escape[T string | []byte](text T) string {
	source := []byte(text)
	out := make([]byte, 0, len(source)+len(source)/8)
	for len(source) > 0 {
		char, width := utf8.DecodeRune(source)
		out = appendRune(out, char)
		source = source[width:]
	}
	return string(out)
}

// EscapeFirst returns as much of the beginning of the text as fits into `most` bytes when it is escaped.
func EscapeFirst[T string | []byte](text T, most int) string {
	source := []byte(text)
	var out []byte
	for len(source) > 0 {
		char, width := utf8.DecodeRune(source)
		next := appendRune(out, char)
		if len(next) > most {
			break
		}
		out = next
		source = source[width:]
	}
	return string(out)
}

// Quote returns the text as a JSON string.
func Quote[T string | []byte](text T) string {
	return `"` + Escape(text) + `"`
}

func appendRune(out []byte, char rune) []byte {
	switch {
	case char == '"' || char == '\\':
		return append(out, '\\', byte(char))
	case char == '\n':
		return append(out, '\\', 'n')
	case char == '\t':
		return append(out, '\\', 't')
	case char == '\r':
		return append(out, '\\', 'r')
	case char < 0x20 || char == 0x7f:
		return append(out, '\\', 'u', '0', '0', hex[char>>4], hex[char&15])
	}
	return utf8.AppendRune(out, char)
}

package jsontext

import (
	"fmt"
	"os"
	"strconv"
)

// Main runs `dind-node json-escape [--max BYTES] TEXT`: it prints the text as a JSON string, whose inside has at most that many bytes.
func Main(arguments []string) int {
	most := len(arguments) == 3 && arguments[0] == "--max"
	if len(arguments) != 1 && !most {
		fmt.Fprintln(os.Stderr, "usage: dind-node json-escape [--max BYTES] TEXT")
		return 2
	}
	if !most {
		os.Stdout.WriteString(Quote(arguments[0]))
		return 0
	}
	bytes, err := strconv.Atoi(arguments[1])
	if err != nil || bytes < 0 {
		bytes = 0
	}
	os.Stdout.WriteString(`"` + EscapeFirst(arguments[2], bytes) + `"`)
	return 0
}

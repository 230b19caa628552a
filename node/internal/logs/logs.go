// Package logs says in the log of the container what is wrong.
package logs

import (
	"fmt"
	"io"
	"os"
)

// Say writes a line to the log, in one write.
func Say(format string, values ...any) {
	io.WriteString(os.Stderr, "dind: "+fmt.Sprintf(format, values...)+"\n")
}

// Package periods says how long the program waits: parts and multiples of one minute, so that a test shortens all of it alike and
// nothing else. The operator sets DIND_MINUTE_SECONDS only where its own minute is another than 60 s
// (operator/dind_operator/controller/pod_manifest.py).
package periods

import (
	"os"
	"time"
)

// Periods are lengths of time that tests shorten.
type Periods struct {
	// Look is the time between two checks of the volume and of whether the daemon is used: some system calls each.
	Look time.Duration
	// IdleAfter is the least time without use that is reported: shorter pauses are part of any work.
	IdleAfter time.Duration
	// IdleStepMin and IdleStepMax bound the time between two reports that the daemon is idle.
	IdleStepMin, IdleStepMax time.Duration
	// PullAgainMin and PullAgainMax bound the time between two rounds over images that could not be pulled: a registry that is down
	// must not be flooded, and one that is back is asked soon.
	PullAgainMin, PullAgainMax time.Duration
	// CheckAgain is the time between two tries to start a container, where dockerd could not.
	CheckAgain time.Duration
	// Start is how long a container may take to start that was given a memory limit before the limit changed.
	Start time.Duration
}

// Of returns the periods for a minute of that many seconds, as DIND_MINUTE_SECONDS has it: a whole number from 1 to 59. With anything
// else a minute has 60 seconds.
func Of(seconds string) Periods {
	minute := time.Minute
	if n := number(seconds); n > 0 && n < 60 {
		minute = time.Duration(n) * time.Second
	}
	return Periods{
		Look:         minute / 12,
		IdleAfter:    minute,
		IdleStepMin:  minute,
		IdleStepMax:  10 * minute,
		PullAgainMin: minute / 30,
		PullAgainMax: minute,
		CheckAgain:   minute,
		Start:        minute,
	}
}

// Get returns the periods of this process.
func Get() Periods {
	return Of(os.Getenv("DIND_MINUTE_SECONDS"))
}

// number reads one or two digits without a zero in front; 0 for anything else.
func number(text string) int {
	if len(text) < 1 || len(text) > 2 || text[0] == '0' {
		return 0
	}
	n := 0
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0
		}
		n = 10*n + int(digit-'0')
	}
	return n
}

package periods

import (
	"testing"
	"time"
)

var real = Periods{
	Look: 5 * time.Second, IdleAfter: time.Minute, IdleStepMin: time.Minute, IdleStepMax: 10 * time.Minute,
	PullAgainMin: 2 * time.Second, PullAgainMax: time.Minute, CheckAgain: time.Minute, Start: time.Minute,
}

func TestTheRealPeriods(t *testing.T) {
	if got := Get(); got != real {
		t.Error(got)
	}
}

func TestAShorterMinuteShortensAllAlike(t *testing.T) {
	for seconds, part := range map[string]time.Duration{"1": 60, "30": 2} {
		want := Periods{
			real.Look / part, real.IdleAfter / part, real.IdleStepMin / part, real.IdleStepMax / part,
			real.PullAgainMin / part, real.PullAgainMax / part, real.CheckAgain / part, real.Start / part,
		}
		if got := Of(seconds); got != want {
			t.Errorf("%s: %v", seconds, got)
		}
	}
}

func TestWhatIsNoLengthOfAMinuteChangesNothing(t *testing.T) {
	for _, text := range []string{
		"", "0", "60", "61", "99", "3600", "-3", "+3", "03", " 3", "3 ", "3s", "1.5", "1e1", "0x3", "99999999999999999999999",
		"18446744073709551619", "\u0663",
	} {
		if Of(text) != real {
			t.Errorf("%q is taken for a minute", text)
		}
	}
}

package instance

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadiness(t *testing.T) {
	if r := Readiness(nil); !r.GetReady() || r.GetReason() != "" {
		t.Errorf("ready: %v", r)
	}
	if r := Readiness(errors.Join(errors.New("no bus"), errors.New("no database"))); r.GetReady() || r.GetReason() != "no bus; no database" {
		t.Errorf("not ready: %v", r)
	}
	// A reason is bounded, and stays text wherever it is cut.
	for i := range 4 {
		r := Readiness(errors.New(strings.Repeat("x", i) + strings.Repeat("\u00fc\u20ac", 500)))
		if n := len(r.GetReason()); n > maxReason || n < maxReason-3 || !utf8.ValidString(r.GetReason()) {
			t.Errorf("%d bytes, %q", n, r.GetReason())
		}
	}
}

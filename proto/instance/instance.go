// Package instance helps services say in their heartbeats how they do.
package instance

import (
	"strings"
	"unicode/utf8"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// maxReason bounds a reason in bytes: every heartbeat carries it, and people read it.
const maxReason = 300

// Readiness is what a heartbeat says for err, which is nil when the service is ready.
func Readiness(err error) *tuttiv1.Readiness {
	if err == nil {
		return &tuttiv1.Readiness{Ready: true}
	}
	// Joined errors have a line each.
	s := strings.ToValidUTF8(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; "), "?")
	for cut := maxReason; len(s) > maxReason; cut-- {
		if utf8.RuneStart(s[cut]) {
			s = s[:cut]
		}
	}
	return &tuttiv1.Readiness{Reason: s}
}

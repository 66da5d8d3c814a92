package noisebench

import (
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

func TestHandshakesRun(t *testing.T) {
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		for _, fallback := range []bool{false, true} {
			if n, err := Handshakes(suite, fallback, 20*time.Millisecond); err != nil || n <= 0 {
				t.Errorf("%s, fallback %v: %v handshakes, %v", suite, fallback, n, err)
			}
		}
	}
}

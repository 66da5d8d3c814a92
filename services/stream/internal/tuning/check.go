package tuning

import (
	"encoding/base64"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// maxBands bounds an equalizer: each band costs every sample of its rendition.
const maxBands = 10

// Empty reports whether t sets nothing.
func Empty(t *tuttiv1.ClientTuning) bool {
	return proto.Equal(t, &tuttiv1.ClientTuning{ClientId: t.GetClientId()})
}

// Check refuses a tuning that cannot be carried out, with OutOfRange and the field.
func Check(t *tuttiv1.ClientTuning) error {
	if b, err := base64.RawURLEncoding.DecodeString(t.GetClientId()); err != nil || len(b) != 32 {
		return fault.New(fault.Invalid, "tuning names no client")
	}
	if err := checkVolume(t); err != nil {
		return err
	}
	if c := t.GetChannels(); !slices.Contains([]string{"", "stereo", "mono", "left", "right"}, c) {
		return bad("channels", "channels %q are none of stereo, mono, left, right", c)
	}
	if a := t.GetAutoStart(); a != nil {
		if a.GetGroupId() == "" || len(a.GetGroupId()) > 64 {
			return bad("auto_start.group_id", "auto_start names no group")
		}
		if ms := a.GetStopAfterMs(); ms != 0 && (ms < 1000 || ms > 3_600_000) {
			return bad("auto_start.stop_after_ms", "stop_after_ms %d is not in 1000 to 3600000", ms)
		}
	}
	return checkEqualizer(t.GetEqualizer())
}

func bad(field, format string, a ...any) error {
	return fault.New(fault.OutOfRange, format, a...).WithField("body."+field, "out of range")
}

func checkVolume(t *tuttiv1.ClientTuning) error {
	for _, f := range []struct {
		name string
		v    *int32
	}{{"volume_min", t.VolumeMin}, {"volume_max", t.VolumeMax}, {"volume_startup", t.VolumeStartup}} {
		if f.v != nil && (*f.v < 0 || *f.v > 100) {
			return bad(f.name, "%s %d is not in 0-100", f.name, *f.v)
		}
	}
	low, high := int32(0), int32(100)
	if t.VolumeMin != nil {
		low = *t.VolumeMin
	}
	if t.VolumeMax != nil {
		high = *t.VolumeMax
	}
	if low > high {
		return bad("volume_min", "volume_min %d is above volume_max %d", low, high)
	}
	if s := t.VolumeStartup; s != nil && (*s < low || *s > high) {
		return bad("volume_startup", "volume_startup %d is not between volume_min %d and volume_max %d", *s, low, high)
	}
	return nil
}

func checkEqualizer(e *tuttiv1.Equalizer) error {
	if n := len(e.GetBands()); n > maxBands {
		return bad("equalizer.bands", "an equalizer has at most %d bands, and not %d", maxBands, n)
	}
	if !within(e.GetPreampDb(), -24, 12) {
		return bad("equalizer.preamp_db", "preamp_db %g is not in -24 to 12", e.GetPreampDb())
	}
	if !within(e.GetLimiterDb(), -24, 0) {
		return bad("equalizer.limiter_db", "limiter_db %g is not in -24 to 0", e.GetLimiterDb())
	}
	for _, b := range e.GetBands() {
		switch {
		case !slices.Contains([]string{"peak", "low_shelf", "high_shelf", "low_pass", "high_pass"}, b.GetKind()):
			return bad("equalizer.bands", "band kind %q is none of peak, low_shelf, high_shelf, low_pass, high_pass", b.GetKind())
		case !within(b.GetFrequency(), 10, 22000):
			return bad("equalizer.bands", "frequency %g Hz is not in 10 to 22000", b.GetFrequency())
		case !within(b.GetGainDb(), -24, 24):
			return bad("equalizer.bands", "gain_db %g is not in -24 to 24", b.GetGainDb())
		case !within(b.GetQ(), 0.1, 20):
			return bad("equalizer.bands", "q %g is not in 0.1 to 20", b.GetQ())
		}
	}
	return nil
}

// within is false for what is no number, too.
func within(v, low, high float64) bool { return !math.IsNaN(v) && v >= low && v <= high }

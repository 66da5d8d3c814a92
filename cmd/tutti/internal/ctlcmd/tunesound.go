package ctlcmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// apiEqualizer is a player's equalizer; its zero value is off.
type apiEqualizer struct {
	PreampDB  float64   `json:"preamp_db"`
	Bands     []apiBand `json:"bands"`
	Limiter   bool      `json:"limiter"`
	LimiterDB float64   `json:"limiter_db"`
}

type apiBand struct {
	Kind      string  `json:"kind"`
	Frequency float64 `json:"frequency"`
	GainDB    float64 `json:"gain_db"`
	Q         float64 `json:"q"`
}

// soundFlags are the flags of 'tutti tune' about channels and equalizer as they were typed.
type soundFlags struct {
	channels, preamp, limiter string
	bands                     []string
}

func (f *soundFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.channels, "channels", "", "stereo, mono (the mix of both), left or right")
	c.Flags().StringArrayVar(&f.bands, "eq", nil, "a band as kind:frequency:gain:q, for example peak:1000:-3:1; again for each band, which replace\n"+
		"all that were set; or none. Kinds: peak, low_shelf, high_shelf, low_pass, high_pass")
	c.Flags().StringVar(&f.preamp, "preamp", "", "dB in front of the bands, -24 to 12, or none")
	c.Flags().StringVar(&f.limiter, "limiter", "", "hold peaks at so many dB below full scale, -24 to 0, or none")
}

// add puts what was typed into the PATCH. What of an equalizer was not typed stays as it
// was.
func (f *soundFlags) add(body map[string]any, was *apiTuning) error {
	if f.channels != "" {
		if !slices.Contains([]string{"stereo", "mono", "left", "right"}, f.channels) {
			return usagef("--channels %q is none of stereo, mono, left, right", f.channels)
		}
		body["channels"] = f.channels
	}
	if len(f.bands) == 0 && f.preamp == "" && f.limiter == "" {
		return nil
	}
	var e apiEqualizer
	if was != nil && was.Equalizer != nil {
		e = *was.Equalizer
	}
	if err := f.change(&e); err != nil {
		return err
	}
	body["equalizer"] = e
	if len(e.Bands) == 0 && e.PreampDB == 0 && !e.Limiter {
		body["equalizer"] = nil
	}
	return nil
}

func (f *soundFlags) change(e *apiEqualizer) error {
	if e.Bands == nil || len(f.bands) > 0 {
		e.Bands = []apiBand{}
	}
	for _, s := range f.bands {
		if s == none {
			e.Bands = []apiBand{}
			continue
		}
		b, err := parseBand(s)
		if err != nil {
			return err
		}
		e.Bands = append(e.Bands, b)
	}
	if f.preamp != "" {
		v, err := decibels("preamp", f.preamp, -24, 12)
		if err != nil {
			return err
		}
		e.PreampDB = v
	}
	if f.limiter != "" {
		v, err := decibels("limiter", f.limiter, -24, 0)
		if err != nil {
			return err
		}
		e.Limiter, e.LimiterDB = f.limiter != none, v
	}
	return nil
}

// decibels reads a number of a range; none is 0.
func decibels(flag, s string, low, high float64) (float64, error) {
	if s == none {
		return 0, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= low && v <= high) {
		return 0, usagef("--%s %q is neither %g to %g dB nor %q", flag, s, low, high, none)
	}
	return v, nil
}

// parseBand reads kind:frequency:gain:q; a pass has no gain, and q may be left out.
func parseBand(s string) (apiBand, error) {
	bad := func() (apiBand, error) {
		return apiBand{}, usagef("--eq %q is not like peak:1000:-3:1 (kind:frequency in Hz:gain in dB:q; passes low_pass:8000:0.7)", s)
	}
	parts := strings.Split(s, ":")
	b := apiBand{Kind: parts[0], Q: 0.7071}
	to := []*float64{&b.Frequency, &b.GainDB, &b.Q}
	if strings.HasSuffix(b.Kind, "_pass") {
		to = []*float64{&b.Frequency, &b.Q}
	}
	if n := len(parts) - 1; n < len(to)-1 || n > len(to) {
		return bad()
	}
	for i, p := range parts[1:] {
		v, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return bad()
		}
		*to[i] = v
	}
	return b, nil
}

// soundWords is what is set about channels and equalizer, for a person.
func soundWords(t *apiTuning) (out []string) {
	if t.Channels != "" && t.Channels != "stereo" {
		out = append(out, "channels "+clip(t.Channels))
	}
	e := t.Equalizer
	if e == nil {
		return out
	}
	if e.PreampDB != 0 {
		out = append(out, fmt.Sprintf("preamp %+g dB", e.PreampDB))
	}
	for _, b := range e.Bands {
		if strings.HasSuffix(b.Kind, "_pass") {
			out = append(out, fmt.Sprintf("%s %g Hz q %g", clip(b.Kind), b.Frequency, b.Q))
		} else {
			out = append(out, fmt.Sprintf("%s %g Hz %+g dB q %g", clip(b.Kind), b.Frequency, b.GainDB, b.Q))
		}
	}
	if e.Limiter {
		out = append(out, fmt.Sprintf("limiter %g dB", e.LimiterDB))
	}
	return out
}

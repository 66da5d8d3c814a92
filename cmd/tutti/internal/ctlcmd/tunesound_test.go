package ctlcmd

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestSoundFlagsChangeWhatIsTyped: what of an equalizer was not typed stays.
func TestSoundFlagsChangeWhatIsTyped(t *testing.T) {
	was := &apiTuning{Equalizer: &apiEqualizer{PreampDB: -4, Bands: []apiBand{{"peak", 50, 3, 1}}, Limiter: true, LimiterDB: -2}}
	for _, c := range []struct {
		flags soundFlags
		was   *apiTuning
		want  string
	}{
		{soundFlags{}, was, `{}`},
		{soundFlags{limiter: "-6"}, was, `{"equalizer":{"preamp_db":-4,"bands":[{"kind":"peak","frequency":50,"gain_db":3,"q":1}],"limiter":true,"limiter_db":-6}}`},
		{soundFlags{bands: []string{"none"}, preamp: "none"}, was, `{"equalizer":{"preamp_db":0,"bands":[],"limiter":true,"limiter_db":-2}}`},
		{soundFlags{bands: []string{"none"}, preamp: "none", limiter: "none"}, was, `{"equalizer":null}`},
		{soundFlags{preamp: "2"}, nil, `{"equalizer":{"preamp_db":2,"bands":[],"limiter":false,"limiter_db":0}}`},
		{soundFlags{bands: []string{"high_shelf:8000:-2:0.9"}}, was, `{"equalizer":{"preamp_db":-4,"bands":[{"kind":"high_shelf","frequency":8000,"gain_db":-2,"q":0.9}],"limiter":true,"limiter_db":-2}}`},
	} {
		body := map[string]any{}
		if err := c.flags.add(body, c.was); err != nil {
			t.Errorf("%+v: %v", c.flags, err)
			continue
		}
		got, _ := json.Marshal(body)
		var a, b any
		_ = json.Unmarshal(got, &a)
		_ = json.Unmarshal([]byte(c.want), &b)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%+v:\n %s, want\n %s", c.flags, got, c.want)
		}
	}
	if len(was.Equalizer.Bands) != 1 || was.Equalizer.Bands[0].Kind != "peak" {
		t.Error("what was is changed")
	}
	want := []string{"channels mono", "preamp -4 dB", "peak 50 Hz +3 dB q 1", "limiter -2 dB"}
	if got := soundWords(&apiTuning{Channels: "mono", Equalizer: was.Equalizer}); !slices.Equal(got, want) {
		t.Errorf("shown as %v", got)
	}
}

func TestSoundFlagsRefuse(t *testing.T) {
	for want, f := range map[string]soundFlags{
		"--channels": {channels: "both"},
		"--preamp":   {preamp: "13"},
		"--limiter":  {limiter: "1"},
		"--eq":       {bands: []string{"peak:1000"}},
	} {
		if err := f.add(map[string]any{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, s := range []string{"peak", "peak:a:1:1", "peak:1000:1:1:1", "low_pass:100:1:1", ""} {
		if b, err := parseBand(s); err == nil {
			t.Errorf("%q is %+v", s, b)
		}
	}
}

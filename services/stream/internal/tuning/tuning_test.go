package tuning

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

var a, b = strings.Repeat("a", 42) + "A", strings.Repeat("b", 42) + "A"

func keeper(t *testing.T) *Keeper {
	t.Helper()
	bucket, err := Open(t.Context(), bustest.Embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	return &Keeper{Bucket: bucket, Log: slog.New(slog.DiscardHandler)}
}

// stored is the entry with its revision.
func (k *Keeper) stored(t *testing.T, id string) (*tuttiv1.ClientTuning, uint64) {
	t.Helper()
	v, rev, err := k.Bucket.Get(context.Background(), id)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		t.Fatal(err)
	}
	return v, rev
}

func TestTuningsAreReplacedAsAWhole(t *testing.T) {
	k := keeper(t)
	tune := func(what string, want fault.Code, rev *uint64, v *tuttiv1.ClientTuning) {
		t.Helper()
		if _, err := k.Tune(t.Context(), &tuttiv1.TuneRequest{Tuning: v, Revision: rev}); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	loud := &tuttiv1.ClientTuning{ClientId: a, VolumeMax: proto.Int32(60)}
	left := &tuttiv1.ClientTuning{ClientId: a, Channels: "left", Format: &tuttiv1.AudioFormat{Codec: "pcm"}}
	none := &tuttiv1.ClientTuning{ClientId: a}
	zero := uint64(0)
	tune("nothing there, nothing to set", "", &zero, none)
	tune("the first", "", &zero, loud)
	tune("somebody was faster", fault.Conflict, &zero, left)
	tune("somebody was faster to set it", fault.Conflict, &zero, none)
	_, rev := k.stored(t, a)
	tune("a change of what was read", "", &rev, left)
	tune("of what is old", fault.Conflict, &rev, loud)
	tune("to nothing, of what is old", fault.Conflict, &rev, none)
	if v, _ := k.stored(t, a); !proto.Equal(v, left) {
		t.Errorf("stored %v", v)
	}
	tune("regardless", "", nil, loud)
	_, rev = k.stored(t, a)
	tune("to nothing", "", &rev, none)
	if v, _ := k.stored(t, a); v != nil {
		t.Errorf("stored %v after nothing was set", v)
	}
	tune("anew", "", &zero, loud)
	tune("nothing, regardless", "", nil, none)
	tune("again", "", nil, none)
}

func TestATuningGoesWithThePlace(t *testing.T) {
	k := keeper(t)
	if _, err := k.Tune(t.Context(), &tuttiv1.TuneRequest{Tuning: &tuttiv1.ClientTuning{ClientId: a, VolumeMax: proto.Int32(60), Format: &tuttiv1.AudioFormat{Codec: "pcm"}}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to move
		if err := k.Move(t.Context(), a, b); err != nil {
			t.Fatal(err)
		}
		old, _ := k.stored(t, a)
		now, _ := k.stored(t, b)
		if want := (&tuttiv1.ClientTuning{ClientId: b, VolumeMax: proto.Int32(60)}); old != nil || !proto.Equal(now, want) {
			t.Errorf("moved: %v and %v", old, now)
		}
	}
	if err := k.Forget(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if now, _ := k.stored(t, b); now != nil {
		t.Errorf("forgotten, but %v", now)
	}
}

func TestCheck(t *testing.T) {
	n := proto.Int32
	for name, c := range map[string]struct {
		t     *tuttiv1.ClientTuning
		field string // that is at fault; "": none
	}{
		"nothing":                 {&tuttiv1.ClientTuning{}, ""},
		"the whole range":         {&tuttiv1.ClientTuning{VolumeMin: n(0), VolumeMax: n(100), VolumeStartup: n(0)}, ""},
		"too loud":                {&tuttiv1.ClientTuning{VolumeMax: n(101)}, "volume_max"},
		"below nothing":           {&tuttiv1.ClientTuning{VolumeMin: n(-1)}, "volume_min"},
		"no start":                {&tuttiv1.ClientTuning{VolumeStartup: n(101)}, "volume_startup"},
		"crossed":                 {&tuttiv1.ClientTuning{VolumeMin: n(60), VolumeMax: n(50)}, "volume_min"},
		"starts above its limit":  {&tuttiv1.ClientTuning{VolumeMax: n(50), VolumeStartup: n(51)}, "volume_startup"},
		"starts below its limit":  {&tuttiv1.ClientTuning{VolumeMin: n(50), VolumeStartup: n(49)}, "volume_startup"},
		"one channel":             {&tuttiv1.ClientTuning{Channels: "mono"}, ""},
		"a channel that is none":  {&tuttiv1.ClientTuning{Channels: "rear"}, "channels"},
		"an equalizer":            {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{PreampDb: -3, Limiter: true, LimiterDb: -1, Bands: []*tuttiv1.EqualizerBand{{Kind: "peak", Frequency: 100, GainDb: 3, Q: 1}}}}, ""},
		"an equalizer's preamp":   {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{PreampDb: 13}}, "equalizer.preamp_db"},
		"an equalizer's limiter":  {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{LimiterDb: 1}}, "equalizer.limiter_db"},
		"too many bands":          {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{Bands: make([]*tuttiv1.EqualizerBand, 11)}}, "equalizer.bands"},
		"a band of no kind":       {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{Bands: []*tuttiv1.EqualizerBand{{Kind: "notch", Frequency: 100, Q: 1}}}}, "equalizer.bands"},
		"a band of no frequency":  {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{Bands: []*tuttiv1.EqualizerBand{{Kind: "peak", Q: 1}}}}, "equalizer.bands"},
		"a band of too much gain": {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{Bands: []*tuttiv1.EqualizerBand{{Kind: "peak", Frequency: 100, GainDb: 25, Q: 1}}}}, "equalizer.bands"},
		"a band of no width":      {&tuttiv1.ClientTuning{Equalizer: &tuttiv1.Equalizer{Bands: []*tuttiv1.EqualizerBand{{Kind: "peak", Frequency: 100}}}}, "equalizer.bands"},
	} {
		c.t.ClientId = a
		err := Check(c.t)
		var f *fault.Error
		switch {
		case c.field == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case fault.CodeOf(err) != fault.OutOfRange || !errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Location != "body."+c.field:
			t.Errorf("%s: %v (%+v), want the field %s", name, err, f, c.field)
		}
	}
	if err := Check(&tuttiv1.ClientTuning{ClientId: "a.b"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("no client: %v", err)
	}
}

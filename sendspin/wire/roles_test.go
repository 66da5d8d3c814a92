package wire

import (
	"reflect"
	"testing"
)

func TestParseRole(t *testing.T) {
	for role, want := range map[string][2]string{
		"player@v1": {"player", "v1"}, "_acme_lamp@v2": {"_acme_lamp", "v2"}, "player@_x": {"player", "_x"},
		"player": {"player", ""}, "player@": {"player@", ""}, "@v1": {"@v1", ""}, "": {"", ""}, "a@b@c": {"a@b@c", ""},
	} {
		if f, v := ParseRole(role); f != want[0] || v != want[1] {
			t.Errorf("ParseRole(%q) = %q, %q, want %q", role, f, v, want)
		}
	}
}

func TestActivateRoles(t *testing.T) {
	player := &PlayerSupport{Formats: []AudioFormat{{CodecPCM, 2, 48000, 16}}}
	for name, c := range map[string]struct {
		hello     ClientHello
		supported []string
		allow     func(string) bool
		want      []string
	}{
		"the first version that we have": {ClientHello{SupportedRoles: []string{"player@v3", "player@v2", "player@v1", "metadata@v1"}, Player: player},
			[]string{"player@v1", "player@v2", "metadata@v1"}, nil, []string{"player@v2", "metadata@v1"}},
		"no support object, next version": {ClientHello{SupportedRoles: []string{"player@v1", "player@_x"}}, []string{"player@v1", "player@_x"}, nil, []string{"player@_x"}},
		"no support object":               {ClientHello{SupportedRoles: []string{"player@v1", "source@v1", "visualizer@v1", "color@v1"}}, AllRoles(), nil, []string{"color@v1"}},
		"policy declines a family": {ClientHello{SupportedRoles: []string{"player@v1", "controller@v1"}, Player: player}, AllRoles(),
			func(f string) bool { return f != "controller" }, []string{"player@v1"}},
		"listed twice":    {ClientHello{SupportedRoles: []string{"color@v1", "color@v1"}}, AllRoles(), nil, []string{"color@v1"}},
		"without version": {ClientHello{SupportedRoles: []string{"color", "metadata@"}}, []string{"color", "metadata@"}, nil, []string{}},
		"nothing listed":  {ClientHello{}, AllRoles(), nil, []string{}},
		"order of client": {ClientHello{SupportedRoles: []string{"metadata@v1", "player@v1"}, Player: player}, AllRoles(), nil, []string{"metadata@v1", "player@v1"}},
	} {
		if got := ActivateRoles(c.supported, &c.hello, c.allow); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRoleHelpers(t *testing.T) {
	h := &ClientHello{SupportedRoles: []string{"player@v2", "player@v1", "_x@v1", "metadata@_y", "broken"}}
	if got := UnimplementedRoles(AllRoles(), h); !reflect.DeepEqual(got, []string{"player@v2"}) {
		t.Errorf("unimplemented %q", got)
	}
	if got := ActiveFamily([]string{"metadata@v1", "player@v1"}, "player"); got != "player@v1" {
		t.Errorf("active %q", got)
	}
	if got := ActiveFamily([]string{"player"}, "player"); got != "" {
		t.Errorf("active %q", got)
	}
}

func TestIDs(t *testing.T) {
	var key [32]byte
	for i := range key {
		key[i] = byte(i)
	}
	if got := ID(key); got != idA {
		t.Errorf("ID = %s, want %s", got, idA)
	}
	if got, err := ParseID(idA); err != nil || got != key {
		t.Errorf("ParseID: %x, %v", got, err)
	}
	for _, bad := range []string{"", idA[1:], idA + "A", idA + "=", idA[:42] + "9", idA[:42] + "\n", "+" + idA[1:], idA[:20] + "\r" + idA[21:]} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestFormats(t *testing.T) {
	f, err := ParseAudioFormat("flac:48000:24:2")
	if err != nil || f != (AudioFormat{CodecFLAC, 2, 48000, 24}) || f.String() != "flac:48000:24:2" {
		t.Errorf("%v, %v", f, err)
	}
	for _, bad := range []string{"", "flac", "mp3:1:1:1", "pcm:0:16:2", "pcm:44100:16:x", "pcm:44100:16:2:9"} {
		if _, err := ParseAudioFormat(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if !(AudioFormat{CodecOpus, 2, 48000, 16}).Same(AudioFormat{CodecOpus, 2, 48000, 24}) || (AudioFormat{CodecPCM, 2, 48000, 16}).Same(AudioFormat{CodecPCM, 2, 48000, 24}) {
		t.Error("bit depth counts for pcm and not for opus")
	}
	s := &PlayerSupport{Formats: []AudioFormat{{CodecOpus, 2, 48000, 16}, {CodecFLAC, 2, 48000, 24}, {CodecPCM, 2, 44100, 16}}}
	noOpus := func(f AudioFormat) bool { return f.Codec != CodecOpus }
	if f, ok := s.Preferred(nil, noOpus); !ok || f.Codec != CodecFLAC {
		t.Errorf("without preference: %v", f)
	}
	for _, c := range []struct {
		want AudioFormat
		pref AudioFormat
	}{
		{s.Formats[2], s.Formats[2]},
		{s.Formats[1], s.Formats[0]},                        // cannot be produced
		{s.Formats[1], AudioFormat{CodecPCM, 2, 96000, 24}}, // not listed
	} {
		if f, ok := s.Preferred(&PlayerState{Format: &c.pref}, noOpus); !ok || f != c.want {
			t.Errorf("preference %v: %v, want %v", c.pref, f, c.want)
		}
	}
	if _, ok := s.Preferred(nil, func(AudioFormat) bool { return false }); ok {
		t.Error("a format that cannot be produced was chosen")
	}
}

func TestPositionAt(t *testing.T) {
	m := &Metadata{Timestamp: 1_000_000, Progress: &Progress{PositionMS: 500, DurationMS: 10_000, Speed: 1000}}
	for at, want := range map[int64]int64{1_000_000: 500, 2_000_000: 1500, 2_000_999: 1500, 60_000_000: 10_000, -60_000_000: 0} {
		if got, ok := m.PositionAt(at); !ok || got != want {
			t.Errorf("PositionAt(%d) = %d, want %d", at, got, want)
		}
	}
	m.Progress.Speed = 0
	if got, _ := m.PositionAt(1 << 60); got != 500 {
		t.Errorf("paused: %d", got)
	}
	m.Progress.Speed, m.Progress.DurationMS = 2000, 0
	if got, _ := m.PositionAt(61_000_000); got != 120_500 {
		t.Errorf("double speed, no duration: %d", got)
	}
	if _, ok := (&Metadata{}).PositionAt(5); ok {
		t.Error("a position without progress")
	}
}

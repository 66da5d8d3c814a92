package capture

import (
	"bytes"
	"reflect"
	"testing"
)

func samples() []Message {
	return []Message{
		{Kind: Start, Session: 7, Seq: 1, Format: Format{Codec: "flac", Channels: 2, BitDepth: 24, SampleRate: 96000, Header: []byte("fLaC…")}},
		{Kind: Start, Session: 1 << 60, Seq: 9, Format: Format{Codec: "pcm", Channels: 1, BitDepth: 16, SampleRate: 8000, Header: []byte{}}},
		{Kind: Audio, Session: 7, Seq: 2, TimestampUS: -5, Data: []byte{1, 2, 3, 4}},
		{Kind: Audio, Session: 7, Seq: 3, TimestampUS: 1 << 50, Data: []byte{}},
		{Kind: End, Session: 7, Seq: 4},
	}
}

func TestMessagesSurviveTheBus(t *testing.T) {
	for _, m := range samples() {
		got, err := Parse(Append(nil, &m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v, want %+v", got, err, m)
		}
	}
}

func TestMalformedMessagesAreRefused(t *testing.T) {
	start := Append(nil, &samples()[0])
	for name, b := range map[string][]byte{
		"empty": {}, "short": start[:25], "another version": append([]byte{2}, start[1:]...),
		"a start without a format": start[:26], "an unknown kind": append([]byte{1, 9}, start[2:]...),
		"an end with a tail": append(Append(nil, &Message{Kind: End}), 1),
		"an unknown codec":   Append(nil, &Message{Kind: Start, Format: Format{Codec: "mp3", Channels: 2, SampleRate: 44100}}),
		"no channels":        Append(nil, &Message{Kind: Start, Format: Format{Codec: "pcm", SampleRate: 44100}}),
		"no sample rate":     Append(nil, &Message{Kind: Start, Format: Format{Codec: "pcm", Channels: 2}}),
	} {
		if m, err := Parse(b); err == nil {
			t.Errorf("%s: parsed as %+v", name, m)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range samples() {
		f.Add(Append(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err == nil && !bytes.Equal(Append(nil, &m), b) {
			t.Errorf("%x parses as %+v, which is written as %x", b, m, Append(nil, &m))
		}
	})
}

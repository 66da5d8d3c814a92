package session

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/proto/capture"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

var cd = &wire.InputStream{Format: wire.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 44100, BitDepth: 16}}

// heard is an intake whose messages the test sees.
func heard(t testing.TB) (*intake, *[]capture.Message) {
	t.Helper()
	var got []capture.Message
	in := &intake{subject: "s", m: metrics.New(nil), session: 7, available: true, publish: func(subject string, data []byte) error {
		m, err := capture.Parse(bytes.Clone(data))
		if err != nil || subject != "s" {
			t.Errorf("published %x at %s: %v", data, subject, err)
		}
		got = append(got, m)
		return nil
	}}
	in.wanted.Store(true)
	return in, &got
}

// chunk is a source chunk without its ID.
func chunk(at int64, size int) []byte { return wire.AppendSourceChunk(nil, at, make([]byte, size))[1:] }

func TestIntakePassesTheStreamOnInOrder(t *testing.T) {
	in, got := heard(t)
	in.begin(cd, 0)
	for i := range int64(60) {
		if fault := in.audio(chunk(1000+i*20_000, 3528), i*20_000); fault != "" {
			t.Fatal(fault)
		}
	}
	in.end()
	in.end()
	var seq uint64
	hints := 0
	for i, m := range *got {
		if m.Session != 7 {
			t.Errorf("session %d", m.Session)
		}
		if m.Kind == capture.Start && i > 0 { // a hint repeats the number of the last message
			hints++
			if m.Seq != seq || m.Format.SampleRate != 44100 {
				t.Errorf("hint %+v after %d", m, seq)
			}
			continue
		}
		if seq++; m.Seq != seq {
			t.Errorf("message %d has number %d, want %d", i, m.Seq, seq)
		}
	}
	if last := (*got)[len(*got)-1]; seq != 62 || hints != 1 || last.Kind != capture.End {
		t.Errorf("%d messages, %d hints, last %d", seq, hints, last.Kind)
	}
	if in.chunks.Load() != 60 || in.discarded.Load() != 0 {
		t.Errorf("%d chunks, %d discarded", in.chunks.Load(), in.discarded.Load())
	}
}

func TestIntakeRefusesAudioThatMustNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(in *intake)
		payload []byte
		want    string
	}{
		"without a stream":  {func(*intake) {}, chunk(1, 4), "without an open input stream"},
		"after the end":     {func(in *intake) { in.begin(cd, 0); in.end() }, chunk(1, 4), "without an open input stream"},
		"while unavailable": {func(in *intake) { in.begin(cd, 0); in.available = false }, chunk(1, 4), "unavailable"},
		"cut off":           {func(in *intake) { in.begin(cd, 0) }, []byte{1, 2, 3}, "want at least"},
	} {
		in, _ := heard(t)
		c.prepare(in)
		if fault := in.audio(c.payload, 0); !strings.Contains(fault, c.want) {
			t.Errorf("%s: %q, want %q", name, fault, c.want)
		}
	}
}

// Somebody new, such as the next owner of a group, does not wait for the repetition of the start.
func TestANewListenerIsToldTheFormatAtOnce(t *testing.T) {
	in, got := heard(t)
	in.listen(true)
	in.begin(cd, 0)
	for i := range int64(3) {
		in.audio(chunk(i*20_000, 3528), i*20_000)
	}
	if n := len(*got); n != 4 {
		t.Fatalf("%d messages, want the start and 3 chunks: %+v", n, *got)
	}
	in.listen(true)
	for i := range int64(3) {
		in.audio(chunk((3+i)*20_000, 3528), (3+i)*20_000)
	}
	var kinds []capture.Kind
	for _, m := range (*got)[4:] {
		kinds = append(kinds, m.Kind)
	}
	if want := []capture.Kind{capture.Start, capture.Audio, capture.Audio, capture.Audio}; !slices.Equal(kinds, want) {
		t.Errorf("behind the new wish came %v, want %v", kinds, want)
	}
}

func TestUnwantedAudioIsDiscarded(t *testing.T) {
	in, got := heard(t)
	in.begin(cd, 0)
	in.wanted.Store(false)
	for range 3 {
		if fault := in.audio(chunk(1, 3528), 0); fault != "" {
			t.Error(fault)
		}
	}
	if len(*got) != 1 || in.discarded.Load() != 3 {
		t.Errorf("%d messages, %d discarded", len(*got), in.discarded.Load())
	}
}

func TestFloodIsRefused(t *testing.T) {
	in, _ := heard(t)
	in.begin(cd, 0)
	const size = 3528 // 20 ms
	now := int64(0)
	for range 3000 { // a minute in time is fine
		now += 20_000
		if fault := in.audio(chunk(1, size), now); fault != "" {
			t.Fatal(fault)
		}
	}
	n := 0
	for in.audio(chunk(1, size), now) == "" {
		if n++; n > 100_000 {
			t.Fatal("a flood without end")
		}
	}
	if seconds := float64(n) / 50; seconds < 3 || seconds > 10 {
		t.Errorf("%.1f s of audio at once are taken", seconds)
	}
}

func TestBusAwayLosesAudioOnly(t *testing.T) {
	in, _ := heard(t)
	in.publish = func(string, []byte) error { return errors.New("away") }
	in.begin(cd, 0)
	if fault := in.audio(chunk(1, 3528), 0); fault != "" {
		t.Error(fault)
	}
}

func TestIntakeAllocatesNothing(t *testing.T) {
	in := &intake{subject: "s", m: metrics.New(nil), available: true, publish: func(string, []byte) error { return nil }}
	in.wanted.Store(true)
	in.begin(cd, 0)
	payload, now := chunk(1, 3528), int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 20_000
		if in.audio(payload, now) != "" {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations per chunk", n)
	}
}

// Whatever a client sends as source audio, the intake neither panics nor publishes
// something that cannot be read.
func FuzzIntake(f *testing.F) {
	f.Add(chunk(1, 4), int64(0), true)
	f.Add([]byte{}, int64(-1), false)
	f.Add(chunk(-1<<63, 0), int64(1<<62), true)
	f.Fuzz(func(t *testing.T, payload []byte, now int64, open bool) {
		in, got := heard(t)
		if open {
			in.begin(cd, 0)
		}
		fault := in.audio(payload, now)
		if !open && fault == "" {
			t.Error("audio without a stream is taken")
		}
		if fault == "" && (*got)[len(*got)-1].Kind == capture.End {
			t.Errorf("%+v", (*got)[len(*got)-1])
		}
	})
}

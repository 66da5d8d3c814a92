package pipeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// line is a live source of 44.1 kHz, 16 bits, stereo: 20 ms for each token.
type line struct {
	samples []int32
	tokens  chan struct{}
}

func (l *line) Info() source.Info {
	return source.Info{SampleRate: 44100, Channels: 2, BitDepth: 16, Live: true}
}

func (l *line) Read(dst []int32) (int, error) {
	if _, ok := <-l.tokens; !ok {
		return 0, io.EOF
	}
	n := copy(dst, l.samples[:2*882])
	l.samples = l.samples[n:]
	return n / 2, nil
}
func (l *line) SeekFrame(int64) error { return nil }
func (l *line) Close() error          { return nil }

// start runs a pipeline on the line, with a lead of 300 ms.
func (l *line) start(t *testing.T) *bench {
	b := startWith(t, func(context.Context, string) (source.Source, error) { return l, nil },
		Config{Renditions: formats("pcm:44100:16:2"), LeadUS: 2_000_000, LiveLeadUS: 300_000}, "line")
	t.Cleanup(func() { close(l.tokens) }) // before the pipeline is waited for
	return b
}

// play lets n blocks through, and waits until m chunks of 100 ms are on the tape.
func (l *line) play(b *bench, n, m int) []tape.Chunk {
	b.t.Helper()
	for range n {
		l.tokens <- struct{}{}
	}
	var out []tape.Chunk
	b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		if out = tapes[rend44]; len(out) < m {
			return fmt.Sprintf("%d chunks, want %d", len(out), m)
		}
		return ""
	})
	return out
}

func TestLiveLeadIsItsOwn(t *testing.T) {
	l := &line{samples: noise(44100, 1), tokens: make(chan struct{}, 200)}
	b := l.start(t)
	l.play(b, 6, 1)
	_, events := b.snapshot()
	if s := find[Started](events)[0]; s.T0 != b.house.NowMicros()+300_000 || s.LeadUS != 300_000 || !s.Live {
		t.Errorf("started as %+v, want a lead of 300 ms", s)
	}
}

// TestLiveLeadGrowsBySilence: what was sent stays, the difference is silence, and what
// follows is whole, without a jump in amplitude.
func TestLiveLeadGrowsBySilence(t *testing.T) {
	x := make([]int32, 2*88200)
	for i := range x {
		x[i] = 20_000 + int32(i%7)
	}
	l := &line{samples: slices.Clone(x), tokens: make(chan struct{}, 200)}
	b := l.start(t)
	l.play(b, 24, 4)
	b.whilePublishing(func() { // the pipeline cannot look in between
		b.p.SetLead(2_500_000, 450_000, 0)
		b.p.SetLead(2_500_000, 500_000, 0) // the newest counts
	})
	l.play(b, 1, 7)                    // half a second is through, and the silence fills two more chunks
	b.p.SetLead(2_000_000, 200_000, 0) // a shorter lead changes nothing that runs
	chunks := l.play(b, 31, 12)
	_, events := b.snapshot()
	got := audio(t, chunks, 44100, find[Started](events)[0].T0)
	const at, gap, fade = 25 * 882, 44100/5 + 1, 220
	if !slices.Equal(got[:2*at], x[:2*at]) {
		t.Fatal("what was sent before changed")
	}
	silence := got[2*(at+fade) : 2*(at+gap)]
	if n := slices.IndexFunc(silence, func(v int32) bool { return v != 0 }); n >= 0 {
		t.Fatalf("sample %d of the silence is %d", n, silence[n])
	}
	after := 2 * (at + gap)
	if !slices.Equal(got[after+2*fade:], x[2*(at+fade):2*(at+fade)+len(got)-after-2*fade]) {
		t.Error("what follows is not the source from where it stopped")
	}
	for i := 2*at - 2; i+2 < after+2*fade+2; i++ {
		if step := got[i+2] - got[i]; step > 400 || step < -400 {
			t.Fatalf("the sound jumps by %d at frame %d", step, i/2)
		}
	}
	if m := chunks[11].MediaEndMS; m != 999 { // 200 ms and a frame
		t.Errorf("at 1.2 s of the timeline the position is %d ms, want 999: silence is not of the medium", m)
	}
}

func TestBufferedLeadIsFollowed(t *testing.T) {
	a := noise(44100*60, 3)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}},
		Config{Renditions: formats("pcm:44100:16:2"), AheadMS: 2000, LeadUS: 200_000}, "a")
	b.started()
	most := func(ms int) func(map[string][]tape.Chunk, []Event) string {
		return func(tapes map[string][]tape.Chunk, _ []Event) string {
			c := tapes[rend44]
			if ahead := (c[len(c)-1].TimestampUS - b.house.NowMicros()) / 1000; int(ahead) < ms {
				return fmt.Sprintf("the tape is %d ms ahead, want %d", ahead, ms)
			}
			return ""
		}
	}
	b.p.SetLead(6_000_000, 0, 0)
	b.house.set(b.house.NowMicros() + 2_000_000)
	b.until(most(9500))
	tapes, events := b.snapshot()
	got := audio(t, tapes[rend44], 44100, find[Started](events)[0].T0)
	if !slices.Equal(got, a[:len(got)]) {
		t.Error("a longer lead changed the audio")
	}
	if d := timeline.FrameTime(0, int64(len(got)/2), 44100); d < 9_000_000 {
		t.Errorf("%d µs on the tape", d)
	}
}

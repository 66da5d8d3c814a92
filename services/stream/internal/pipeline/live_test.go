package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/proto/tape"
)

// lineIn is a capture whose samples tell their frame's number.
type lineIn struct {
	blocks chan Captured
	end    chan error
	closed chan struct{}
	passed chan struct{} // holds one when the block before has been passed on
}

func (l *lineIn) Info() source.Info {
	return source.Info{SampleRate: 48000, Channels: 1, BitDepth: 24, Live: true, Codec: "source", Tags: source.Tags{Title: "Turntable"}}
}
func (l *lineIn) Read([]int32) (int, error) { return 0, io.ErrUnexpectedEOF }
func (l *lineIn) SeekFrame(int64) error     { return io.ErrUnexpectedEOF }
func (l *lineIn) Close() error              { close(l.closed); return nil }

func (l *lineIn) Next(ctx context.Context) (Captured, error) {
	select {
	case l.passed <- struct{}{}:
	default: // the test does not wait for it
	}
	select {
	case c := <-l.blocks:
		return c, nil
	case err := <-l.end:
		return Captured{}, err
	case <-ctx.Done():
		return Captured{}, ctx.Err()
	}
}

const (
	blockFrames = 960 // 20 ms
	mustUS      = 200_000
	marginUS    = 60_000
)

// live is a bench with a capture; its house clock moves only with it.
type live struct {
	*bench
	in      *lineIn
	over    <-chan struct{} // the feed is gone
	frame   int64           // next to be captured
	sent    int64           // up to which it was
	capture int64           // house time of frame 0
	id      string
}

func startLive(t *testing.T) *live {
	t.Helper()
	l := &live{in: &lineIn{blocks: make(chan Captured), end: make(chan error, 1), closed: make(chan struct{}), passed: make(chan struct{}, 1)}, id: "pcm-48000-1-24"}
	l.over = l.in.closed
	open := func(context.Context, string) (source.Source, error) { return l.in, nil }
	l.bench = startWith(t, open, Config{
		ChunkMS: 20, LiveLeadUS: mustUS + marginUS, LiveFloorUS: 50_000, Renditions: formats("pcm:48000:24:1"),
	}, "source:x")
	l.capture = l.house.NowMicros()
	return l
}

// step lets 20 ms pass; their audio arrives late µs after its end, unless it is lost.
func (l *live) step(late int64, lost bool) {
	l.t.Helper()
	first := l.frame
	l.frame += blockFrames
	l.house.set(l.capture + l.frame*1_000_000/48000 + late)
	if lost {
		return
	}
	samples := make([]int32, blockFrames)
	for i := range samples {
		samples[i] = int32(first) + int32(i) + 1
	}
	select {
	case <-l.in.passed:
	default:
	}
	select {
	case l.in.blocks <- Captured{Frame: first, CaptureUS: l.capture + first*1_000_000/48000, LateUS: 24_000, Samples: samples}:
	case <-l.over:
	}
	// The house clock must not run away from the test.
	if late <= 2000 && l.sent > 0 {
		l.holds(l.sent - 1)
	} else {
		select {
		case <-l.in.passed:
		case <-l.over:
		}
	}
	l.sent = l.frame
}

// ahead waits until the players have what they need now, or the epoch was given up.
func (l *live) ahead() {
	l.t.Helper()
	now := l.house.NowMicros()
	l.until(func(tapes map[string][]tape.Chunk, events []Event) string {
		c := tapes[l.id]
		if len(find[Stalled](events)) > 0 { // it ends here: the next epoch goes on
			return ""
		}
		if end := c[len(c)-1].TimestampUS; end < now+20_000 {
			return fmt.Sprintf("the tape ends at %d, it is %d: the players run dry", end, now)
		}
		return ""
	})
}

// until the tape holds a frame.
func (l *live) holds(frame int64) {
	l.t.Helper()
	l.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		for _, c := range tapes[l.id] {
			s, _ := pcm.Unpack(nil, c.Data, 24)
			for _, v := range s {
				if int64(v) == frame+1 {
					return ""
				}
			}
		}
		return fmt.Sprintf("frame %d is on none of %d chunks", frame, len(tapes[l.id]))
	})
}

// latencies is how long after its capture each frame is heard, from frame `from` on to
// before frame `to`; 0 is the end. The tape must be without a hole. Where sound comes and goes slowly samples do not tell their
// number: only those count that follow, or are followed by, their neighbour.
func (l *live) latencies(from, to int64) (least, most int64, silent int) {
	l.t.Helper()
	tapes, events := l.snapshot()
	t0 := find[Started](events)[0].T0
	at := t0
	least = 1 << 60
	for _, c := range tapes[l.id] {
		if d := c.TimestampUS - at; d < -1 || d > 1 {
			l.t.Fatalf("a chunk at %d, want %d", c.TimestampUS, at)
		}
		s, _ := pcm.Unpack(nil, c.Data, 24)
		for i, v := range s {
			if v == 0 {
				silent++
				continue
			}
			whole := i > 0 && s[i-1] == v-1 || i+1 < len(s) && s[i+1] == v+1
			if !whole || int64(v)-1 < from || to > 0 && int64(v)-1 >= to {
				continue
			}
			heard := c.TimestampUS + int64(i)*1_000_000/48000
			lat := heard - (l.capture + (int64(v)-1)*1_000_000/48000)
			least, most = min(least, lat), max(most, lat)
		}
		at += int64(len(s)) * 1_000_000 / 48000
	}
	return least, most, silent
}

// From capture to every speaker it takes less than 150 ms more than what the speakers
// themselves ask for, and the same for each sample.
func TestLiveLatency(t *testing.T) {
	l := startLive(t)
	for range 100 {
		l.step(2000, false)
	}
	l.holds(99*blockFrames - 1)
	least, most, silent := l.latencies(0, 0)
	if most-least > 50 || silent != 0 {
		t.Errorf("latency is %d to %d µs, %d frames are silent", least, most, silent)
	}
	if own := most - mustUS; own >= 150_000 || own < 22_000 {
		t.Errorf("our own part is %d µs, want less than 150 ms", own)
	}
	_, events := l.snapshot()
	if s := find[Started](events); len(s) != 1 || !s[0].Live || s[0].LeadUS != mustUS+marginUS {
		t.Errorf("started: %+v", s)
	}
	if b := find[Begun](events); len(b) != 1 || b[0].Item.Title != "Turntable" || !b[0].Info.Live {
		t.Errorf("begun: %+v", b)
	}
}

// What is lost is silence of its length; what follows keeps its place.
func TestLiveHoles(t *testing.T) {
	l := startLive(t)
	lost := 0
	for i := range 100 {
		gone := i == 20 || i == 50 || i == 51
		if gone {
			lost++
		}
		l.step(2000, gone)
	}
	l.holds(99*blockFrames - 1)
	if least, most, silent := l.latencies(0, 0); most-least > 50 || silent != lost*blockFrames {
		t.Errorf("latency is %d to %d µs, %d frames are silent, want %d", least, most, silent, lost*blockFrames)
	}
}

// A source that stalls for a second is replaced by silence in time, and goes on in its
// old place; what it captured meanwhile and sends late is not heard late.
func TestLiveStallAndResume(t *testing.T) {
	l := startLive(t)
	for range 50 {
		l.step(2000, false)
	}
	l.holds(49*blockFrames - 1)
	for range 50 {
		l.step(2000, true)
		l.ahead()
	}
	for range 50 {
		l.step(2000, false)
	}
	l.holds(149*blockFrames - 1)
	if least, most, _ := l.latencies(0, 0); most-least > 50 {
		t.Errorf("latency is %d to %d µs", least, most)
	}
	if _, events := l.snapshot(); len(find[Stalled](events)) != 0 {
		t.Error("given up as stalled")
	}
}

// A source whose audio takes longer than it did at first is heard later after some holes,
// within bounds. How much later is also a matter of how fast this machine takes blocks on,
// so only the last whole block is judged: what is added is added between blocks.
func TestLiveSourceThatGetsLater(t *testing.T) {
	l := startLive(t)
	for range 20 {
		l.step(2000, false)
	}
	l.holds(19*blockFrames - 1)
	for range 80 {
		l.step(260_000, false)
		l.ahead()
	}
	l.holds(98*blockFrames - 1)
	least, most, _ := l.latencies(97*blockFrames, 98*blockFrames)
	if most-least > 50 || most <= mustUS+marginUS+24_000 || most > mustUS+marginUS+24_000+lateMost+1000 {
		t.Errorf("latency is %d to %d µs in the end", least, most)
	}
}

// A source that is later than can be made up for begins anew instead of being silent.
func TestLiveSourceThatIsFarTooLate(t *testing.T) {
	l := startLive(t)
	for range 20 {
		l.step(2000, false)
	}
	l.holds(18*blockFrames - 1)
	for range 200 {
		l.step(2_000_000, false)
		if _, events := l.snapshot(); len(find[Stalled](events)) > 0 {
			return
		}
		l.ahead()
	}
	t.Error("it is silent for four seconds")
}

// The players' longer lead is given to them by silence, and nothing is lost.
func TestLiveLeadGrows(t *testing.T) {
	l := startLive(t)
	for range 30 {
		l.step(2000, false)
	}
	l.holds(29*blockFrames - 1)
	l.p.SetLead(500_000, mustUS+marginUS+100_000, 50_000)
	for range 30 {
		l.step(2000, false)
	}
	l.holds(58*blockFrames - 1)
	before, _, _ := l.latencies(0, 0)
	_, after, silent := l.latencies(40*blockFrames, 0)
	if d := after - before; d < 100_000 || d > 101_000 || silent < 4800-480 {
		t.Errorf("it is heard %d µs later, behind %d frames of silence", d, silent)
	}
}

// TestLiveFloorGrowsWithTheLead: players that ask for more get the silence of a gap as much
// earlier as the audio.
func TestLiveFloorGrowsWithTheLead(t *testing.T) {
	l := startLive(t)
	for range 30 {
		l.step(2000, false)
	}
	l.holds(29*blockFrames - 1)
	const floor = 150_000
	l.p.SetLead(500_000, mustUS+marginUS+100_000, floor)
	for range 30 {
		l.step(2000, false)
	}
	l.holds(58*blockFrames - 1)
	l.p.SetLead(500_000, mustUS+marginUS, 50_000) // less counts from the next start
	for range 30 {
		l.step(0, true)
		now := l.house.NowMicros()
		l.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
			c := tapes[l.id]
			if end := c[len(c)-1].TimestampUS + 20_000; end < now+floor-20_000 { // the last chunk may lack a part
				return fmt.Sprintf("the tape ends %d ms ahead, the players need %d", (end-now)/1000, floor/1000)
			}
			return ""
		})
	}
}

func TestLiveSourceEnds(t *testing.T) {
	l := startLive(t)
	for range 20 {
		l.step(2000, false)
	}
	l.in.end <- errors.New("the turntable has sent nothing for 10 s")
	l.until(drained)
	_, events := l.snapshot()
	if f := find[Failed](events); len(f) != 1 || !f[0].Partial {
		t.Errorf("failed: %+v", f)
	}
}

// A link that fails many times a second is told of now and then.
func TestWarningsOfALiveSourceFillNoLog(t *testing.T) {
	var s spoken
	told := 0
	for at := int64(1); at < 60_000_000; at += 50_000 {
		if s.now(at) {
			told++
		}
	}
	if told != 6 {
		t.Errorf("a minute of trouble was told %d times, not 6", told)
	}
}

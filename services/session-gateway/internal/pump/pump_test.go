package pump

import (
	"math/rand/v2"
	"testing"

	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

const (
	ms    = 1000
	chunk = 100 * ms
	size  = 1000 + 13
	begin = int64(1_000_000_000)
)

// put appends n chunks of 100 ms to r from a time on.
func put(t testing.TB, r *reel.Ring, epoch uint64, at int64, n int) (end int64) {
	t.Helper()
	for range n {
		c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: epoch, TimestampUS: at, DurationUS: chunk, Data: make([]byte, size-13)}))
		if err != nil {
			t.Fatal(err)
		}
		r.Append(c, at-30_000_000)
		at += chunk
	}
	return at
}

func ring() *reel.Ring { return reel.NewRing(reel.Limits{PastUS: 1 << 50, Bytes: 1 << 30}) }

// drive runs the pump from now until nothing more is to be sent before until; it
// returns what was sent when.
type event struct {
	at       int64
	ts       int64
	switched bool
}

func drive(t testing.TB, p *Pump, now *int64, until int64) []event {
	t.Helper()
	var out []event
	for {
		switch s := p.Next(*now); s.Kind {
		case Send:
			p.Sent(s.Chunk, *now)
			out = append(out, event{at: *now, ts: s.Chunk.Timestamp})
		case Switch:
			p.Switched()
			out = append(out, event{at: *now, switched: true})
		case Idle:
			return out
		case Wait:
			if s.Until == 0 || s.Until > until {
				*now = until
				return out
			}
			if s.Until <= *now {
				t.Fatalf("wait until %d at %d: the pump would spin", s.Until, *now)
			}
			*now = s.Until
		}
	}
}

func sends(ev []event) []int64 {
	var out []int64
	for _, e := range ev {
		if !e.switched {
			out = append(out, e.ts)
		}
	}
	return out
}

func TestStarterBeginsWithItsGroup(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 10)
	p := New(1 << 20)
	now := begin - 300*ms
	p.SetTiming(Timing{MinBuffer: 200 * ms, RequiredLead: 500 * ms, OutputDelay: 50 * ms}, now)
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	// 300 ms are less than the full lead but enough for what it must have.
	if got := sends(drive(t, p, &now, begin)); got[0] != begin {
		t.Errorf("first chunk %d, want the group's %d", got[0], begin)
	}
}

func TestJoinerBeginsAtItsOwnLead(t *testing.T) {
	for name, c := range map[string]struct {
		live bool
		want int64
	}{"buffered": {false, 600 * ms}, "live": {true, 300 * ms}} {
		r := ring()
		put(t, r, 1, begin, 30)
		p := New(1 << 20)
		now := begin + 50*ms
		p.SetTiming(Timing{MinBuffer: 200 * ms, RequiredLead: 450 * ms, OutputDelay: 50 * ms}, now)
		p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin, Live: c.live}, now)
		if got := sends(drive(t, p, &now, now+ms)); got[0] != begin+c.want {
			t.Errorf("%s: first chunk %d µs after the group's start, want %d", name, got[0]-begin, c.want)
		}
		if s := p.Stats(now); s.Late != 0 {
			t.Errorf("%s: %d chunks counted as late that were before the joiner's start", name, s.Late)
		}
	}
}

func TestBurstIsPaced(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 200)
	p := New(1 << 30)
	start := begin - 1000*ms
	now := start
	p.SetTiming(Timing{MinBuffer: 400 * ms}, now)
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	ev := drive(t, p, &now, begin+5_000*ms)
	if len(ev) != 200 {
		t.Fatalf("%d chunks sent", len(ev))
	}
	if ev[3].at != start {
		t.Errorf("the lead of 400 ms took %d µs", ev[3].at-start)
	}
	for i, e := range ev {
		media := int64(i) * chunk
		if least := (media - 400*ms - chunk) / burstFactor; e.at-start < least {
			t.Fatalf("chunk %d (%d ms of audio) was sent after %d µs, faster than %d times real time", i, media/ms, e.at-start, burstFactor)
		}
	}
	if took := ev[199].at - start; took > 20_000*ms/burstFactor+chunk {
		t.Errorf("20 s of audio took %d µs: slower than the pace", took)
	}
}

func TestLateChunksAreSkippedAndCounted(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 20)
	p := New(1 << 20)
	now := begin - 500*ms
	p.SetTiming(Timing{OutputDelay: 100 * ms}, now)
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	first := p.Next(now)
	p.Sent(first.Chunk, now)
	// The socket was stuck for a second: what would have to be played in the past,
	// the output delay included, is not sent.
	now = begin + 550*ms
	got := sends(drive(t, p, &now, now+ms))
	if want := begin + 700*ms; got[0] != want {
		t.Errorf("went on at +%d ms, want +%d", (got[0]-begin)/ms, (want-begin)/ms)
	}
	if s := p.Stats(now); s.Late != 6 || s.LateNow != 6 {
		t.Errorf("%d late, %d of them lately, want 6", s.Late, s.LateNow)
	}
	if s := p.Stats(now + 20_000_000); s.Late != 6 || s.LateNow != 0 {
		t.Errorf("%d late, %d of them lately, 20 s later", s.Late, s.LateNow)
	}
}

func TestEpochs(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 5)
	put(t, r, 2, begin+200*ms, 5)
	p := New(1 << 20)
	now := begin - 500*ms
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	if got := sends(drive(t, p, &now, begin)); len(got) != 5 {
		t.Fatalf("%d chunks of epoch 1, want 5: the next epoch waits for its stream/clear", len(got))
	}
	now = begin - 100*ms
	p.Clear(2, begin+200*ms, now)
	if _, n := p.Buffered(now); n != 0 {
		t.Errorf("%d bytes outstanding after the clear", n)
	}
	got := sends(drive(t, p, &now, begin+300*ms))
	if len(got) == 0 || got[0] != begin+200*ms {
		t.Errorf("epoch 2: %v", got)
	}
}

func TestRepeatedChunksAreNotSentAgain(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 5)
	put(t, r, 1, begin+200*ms, 6) // the next holder of the group repeats three chunks
	p := New(1 << 20)
	now := begin - 500*ms
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	got := sends(drive(t, p, &now, begin+100*ms))
	for i, ts := range got {
		if ts != begin+int64(i)*chunk {
			t.Fatalf("chunk %d at +%d ms", i, (ts-begin)/ms)
		}
	}
	if len(got) != 8 {
		t.Errorf("%d chunks, want 8", len(got))
	}
}

func TestSwitchContinuesTheTimeline(t *testing.T) {
	for name, c := range map[string]struct {
		newFrom int64 // where the new tape begins, relative
		old     int   // chunks on the old tape
		before  int   // chunks sent of the old one before the switch
		gap     int64
	}{
		"whole timeline on the new tape":     {0, 30, 3, 0},
		"new tape begins later":              {800 * ms, 30, 8, 0},
		"old tape ended":                     {0, 3, 3, 0},
		"new tape off the old one's chunks":  {830 * ms, 30, 19, 30 * ms}, // nowhere do two chunks meet
		"new tape begins after the old ends": {900 * ms, 6, 6, 300 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := ring(), ring()
			put(t, a, 1, begin, c.old)
			p := New(1 << 20)
			now := begin - 500*ms
			p.SetTiming(Timing{MinBuffer: 400 * ms}, now)
			p.Begin(Start{Ring: a, Epoch: 1, NotBefore: begin}, now)
			for range 3 {
				p.Sent(p.Next(now).Chunk, now)
			}
			put(t, b, 1, begin+c.newFrom, 20)
			p.Change(Start{Ring: b, Epoch: 1, NotBefore: begin})
			ev := drive(t, p, &now, begin+2_000*ms)
			sw := -1
			for i, e := range ev {
				if e.switched {
					sw = i
				}
			}
			if sw+3 != c.before {
				t.Fatalf("switched after %d chunks, want %d", sw+3, c.before)
			}
			last := begin + int64(c.before)*chunk
			if got := ev[sw+1].ts - last; got != c.gap {
				t.Errorf("gap of %d µs at the switch, want %d", got, c.gap)
			}
		})
	}
}

func TestEndAndIdle(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 5)
	p := New(1 << 20)
	now := begin - 500*ms
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	p.Sent(p.Next(now).Chunk, now)
	p.End()
	if p.Next(now).Kind != Idle || p.Active() || p.Ring() != nil {
		t.Error("not idle after the end")
	}
	if _, n := p.Buffered(now); n != 0 {
		t.Errorf("%d bytes outstanding after stream/end", n)
	}
}

// TestCapacityReferee drives pumps with random players against a naive count.
func TestCapacityReferee(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		capacity := size * (1 + rng.IntN(12))
		delay := int64(rng.IntN(3)) * 700 * ms
		r := ring()
		put(t, r, 1, begin, 60)
		p := New(capacity)
		now := begin - int64(rng.IntN(3000))*ms
		p.SetTiming(Timing{OutputDelay: delay, MinBuffer: int64(rng.IntN(500)) * ms}, now)
		p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
		type out struct{ ts int64 }
		var sent []out
		for now < begin+6_000*ms {
			s := p.Next(now)
			if s.Kind == Wait {
				if s.Until == 0 {
					break
				}
				now = max(s.Until, now+1) + int64(rng.IntN(3))*ms
				continue
			}
			count := s.Chunk.Size
			for _, o := range sent {
				if o.ts+chunk-delay > now {
					count += size
				}
			}
			if count > capacity {
				t.Fatalf("seed %d: %d bytes outstanding, capacity %d", seed, count, capacity)
			}
			p.Sent(s.Chunk, now)
			sent = append(sent, out{s.Chunk.Timestamp})
			if rng.IntN(20) == 0 { // the player raises or lowers its delay
				delay = int64(rng.IntN(5)) * 300 * ms
				p.SetTiming(Timing{OutputDelay: delay}, now)
			}
		}
		if len(sent) < 10 && capacity >= 8*size {
			t.Errorf("seed %d: only %d chunks sent", seed, len(sent))
		}
	}
}

func TestChunkLargerThanTheBufferIsSkipped(t *testing.T) {
	r := ring()
	put(t, r, 1, begin, 5)
	p := New(size - 1)
	now := begin - 500*ms
	p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
	if s := p.Next(now); s.Kind != Wait || s.Until != 0 {
		t.Errorf("step %+v, want to wait for the ring", s)
	}
	if s := p.Stats(now); s.Late != 5 {
		t.Errorf("%d counted as skipped", s.Late)
	}
}

func TestMinLeadForgets(t *testing.T) {
	var w leadWindow
	w.add(50, 0)
	w.add(900, 6_000_000)
	if low, ok := w.min(9_000_000); low != 50 || !ok {
		t.Errorf("after 9 s: %d %v", low, ok)
	}
	if low, ok := w.min(16_000_000); low != 900 || !ok {
		t.Errorf("after 16 s: %d %v", low, ok)
	}
	if _, ok := w.min(60_000_000); ok {
		t.Error("a minute later there is still a minimum")
	}
}

// TestShortChunksGoTogether: a full player of 20 ms chunks is woken for a few at a
// time, one of 100 ms chunks for each.
func TestShortChunksGoTogether(t *testing.T) {
	for dur, most := range map[int64]int{20 * ms: 30, 100 * ms: 21} {
		r := ring()
		for at := begin; at < begin+10_000*ms; at += dur {
			c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: at, DurationUS: uint32(dur), Data: make([]byte, 87)}))
			if err != nil {
				t.Fatal(err)
			}
			r.Append(c, 0)
		}
		p := New(100 * int(2_000*ms/dur)) // two seconds
		now := begin - 1_000*ms
		p.SetTiming(Timing{MinBuffer: 200 * ms}, now)
		p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin}, now)
		drive(t, p, &now, begin+1_000*ms)
		wakes := 0
		for last := now; now < begin+3_000*ms; {
			switch s := p.Next(now); s.Kind {
			case Send:
				if now != last {
					wakes++
					last = now
				}
				p.Sent(s.Chunk, now)
			case Wait:
				now = s.Until
			}
		}
		if wakes > most {
			t.Errorf("chunks of %d ms: %d wake-ups in two seconds, want %d at most", dur/ms, wakes, most)
		}
	}
}

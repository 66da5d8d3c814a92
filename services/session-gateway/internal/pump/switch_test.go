package pump

import (
	"math/rand/v2"
	"testing"

	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

// fill is a ring with a whole timeline of chunks of dur µs and size bytes.
func fill(t testing.TB, from, until, dur int64, bytes int) *reel.Ring {
	t.Helper()
	r := ring()
	for at := from; at < until; at += dur {
		c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: at, DurationUS: uint32(dur), Data: make([]byte, bytes)}))
		if err != nil {
			t.Fatal(err)
		}
		r.Append(c, 0)
	}
	return r
}

// TestSwitchesNeverRepeatOrSkip moves a player among renditions at random, with chunks of
// 100 and of 20 ms, while its timing changes: each chunk follows the one before, nothing
// is sent twice, the count stays within the capacity, and the lead of a start is never
// applied again.
func TestSwitchesNeverRepeatOrSkip(t *testing.T) {
	until := begin + 30_000*ms
	rings := []*reel.Ring{fill(t, begin, until, 100*ms, 1000), fill(t, begin, until, 20*ms, 300), fill(t, begin, until, 100*ms, 4000), fill(t, begin, until, 60*ms, 500)}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		capacity := 50_000
		p := New(capacity)
		now := begin - 700*ms
		delay := int64(0)
		p.SetTiming(Timing{MinBuffer: 300 * ms}, now)
		p.Begin(Start{Ring: rings[0], Epoch: 1, NotBefore: begin}, now)
		at, switches := begin, 0
		type sent struct {
			end  int64
			size int
		}
		var out []sent
		for at < until-1_000*ms {
			switch rng.IntN(40) {
			case 0:
				p.Change(Start{Ring: rings[rng.IntN(len(rings))], Epoch: 1, NotBefore: begin})
			case 1:
				p.CancelChange()
			case 2:
				delay = int64(rng.IntN(200)) * ms
				p.SetTiming(Timing{MinBuffer: int64(rng.IntN(400)) * ms, RequiredLead: int64(rng.IntN(4000)) * ms, OutputDelay: delay}, now)
			}
			switch s := p.Next(now); s.Kind {
			case Send:
				if s.Chunk.Timestamp != at {
					t.Fatalf("seed %d: a chunk at +%d µs, the one before ended at +%d", seed, s.Chunk.Timestamp-begin, at-begin)
				}
				count := s.Chunk.Size
				for _, o := range out {
					if o.end-delay > now {
						count += o.size
					}
				}
				if count > capacity {
					t.Fatalf("seed %d: %d bytes of %d", seed, count, capacity)
				}
				out = append(out, sent{s.Chunk.End(), s.Chunk.Size})
				at = s.Chunk.End()
				p.Sent(s.Chunk, now)
			case Switch:
				switches++
				p.Switched()
			case Wait:
				if s.Until == 0 {
					t.Fatalf("seed %d: nothing to send at +%d ms of %d", seed, (at-begin)/ms, (until-begin)/ms)
				}
				now = max(s.Until, now+1)
			}
		}
		if switches < 5 {
			t.Errorf("seed %d: only %d switches", seed, switches)
		}
		if s := p.Stats(now); s.Late != 0 {
			t.Errorf("seed %d: %d chunks late", seed, s.Late)
		}
	}
}

// TestLiveStartIsExactlyWhatIsNeeded: a live source's first chunk comes min_buffer_ms and
// output_delay_ms ahead, whatever lead the player would like.
func TestLiveStartIsExactlyWhatIsNeeded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		timing := Timing{MinBuffer: int64(rng.IntN(900)) * ms, OutputDelay: int64(rng.IntN(900)) * ms, RequiredLead: int64(rng.IntN(5000)) * ms}
		p := New(1 << 20)
		now := begin + int64(rng.IntN(10_000))*ms
		r := fill(t, now-500*ms, now+8_000*ms, 20*ms, 100)
		p.SetTiming(timing, now)
		p.Begin(Start{Ring: r, Epoch: 1, NotBefore: begin, Live: true}, now)
		c := p.Next(now).Chunk
		if lead := c.Timestamp - now; lead < timing.Must() || lead > max(timing.Must(), minLeadUS)+20*ms {
			t.Fatalf("%+v: a lead of %d µs", timing, lead)
		}
	}
}

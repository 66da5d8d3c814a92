package session

import (
	"fmt"
	"sync/atomic"

	"github.com/tutti-audio/tutti/proto/capture"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

const (
	// announceEvery is how often a start is repeated for listeners that came late, µs.
	announceEvery = 1_000_000
	// floodFactor is how much more than its format's PCM rate a source may send for long;
	// floodBurst is for how many seconds of that it may be ahead, after a stall.
	floodFactor, floodBurst = 2, 3
	// floodBase is allowed on top: headers, short chunks, compression that gains nothing.
	floodBase = 64 << 10
	// maxFlood bounds what one source may send, bytes per second: eight channels of
	// 192 kHz and 32 bit, and then some.
	maxFlood = 16 << 20
	// leastCost is what the smallest chunk counts.
	leastCost = 128
)

// intake is the reader's side of the source role: it passes an input stream on to the
// bus, chunk by chunk, in the order of the client's messages. Fields belong to the
// reader unless they are atomic.
type intake struct {
	publish func(subject string, data []byte) error
	subject string
	m       *metrics.Metrics

	session   uint64
	open      bool
	available bool // by the latest client/state
	seq       uint64
	format    capture.Format
	announced int64 // house µs of the last start
	buf       []byte
	budget    float64 // bytes
	perSecond float64
	filled    int64 // house µs

	wanted, newcomer  atomic.Bool // written by the actor; newcomer: somebody has to be told the format
	chunks, discarded atomic.Uint64
}

// begin follows a client-stream/start that the actor has taken for open, or for a change
// of the format in place.
func (in *intake) begin(s *wire.InputStream, now int64) {
	f := s.Format
	in.open = true
	in.format = capture.Format{Codec: f.Codec, Channels: f.Channels, BitDepth: f.BitDepth, SampleRate: f.SampleRate, Header: s.CodecHeader}
	depth := max(f.BitDepth, 16)
	rate := float64(f.SampleRate) * float64(f.Channels) * float64((depth+7)/8)
	in.perSecond = min(floodFactor*rate+floodBase, maxFlood)
	in.budget, in.filled = floodBurst*in.perSecond, now
	in.seq++
	in.announce(now)
}

// listen is told by the actor whether somebody hears the audio; true means somebody new, who does not
// wait for the next repetition of the start: the group of a stream instance that died is
// silent until its successor knows the format.
func (in *intake) listen(wanted bool) {
	in.newcomer.Store(wanted)
	in.wanted.Store(wanted)
}

func (in *intake) announce(now int64) {
	in.announced = now
	in.newcomer.Store(false) // before it is said: who comes after that is told again
	in.send(&capture.Message{Kind: capture.Start, Format: in.format})
}

// end follows client-stream/end, and everything that ends the stream without it.
func (in *intake) end() {
	if !in.open {
		return
	}
	in.open = false
	in.seq++
	in.send(&capture.Message{Kind: capture.End})
}

// audio takes what follows the ID of a source audio message. A non-empty fault is a
// protocol error.
func (in *intake) audio(payload []byte, now int64) (fault string) {
	chunk, err := wire.ParseSourceChunk(payload)
	switch {
	case err != nil:
		return err.Error()
	case !in.open:
		return "source audio without an open input stream"
	case !in.available:
		return "source audio while the client is unavailable"
	case !in.pay(len(payload), now):
		return fmt.Sprintf("source audio comes at more than %.0f bytes per second", in.perSecond)
	}
	if !in.wanted.Load() {
		in.discarded.Add(1)
		in.m.SourceDiscarded.Inc()
		return ""
	}
	if in.newcomer.Load() {
		in.announce(now)
	}
	in.chunks.Add(1)
	in.m.SourceChunks.Inc()
	in.seq++
	in.send(&capture.Message{Kind: capture.Audio, TimestampUS: chunk.Timestamp, Data: chunk.Data})
	if now-in.announced >= announceEvery {
		in.announce(now)
	}
	return ""
}

// pay takes the cost of a chunk from the budget that refills with time.
func (in *intake) pay(size int, now int64) bool {
	in.budget = min(in.budget+float64(now-in.filled)*in.perSecond/1e6, floodBurst*in.perSecond)
	in.filled = now
	in.budget -= float64(max(size, leastCost))
	return in.budget >= 0
}

// send publishes a message. What cannot be published now is of no use later.
func (in *intake) send(m *capture.Message) {
	m.Session, m.Seq = in.session, in.seq
	in.buf = capture.Append(in.buf[:0], m)
	if err := in.publish(in.subject, in.buf); err != nil {
		in.m.SourceLost.Inc()
	}
}

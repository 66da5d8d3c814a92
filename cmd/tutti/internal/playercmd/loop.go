package playercmd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// mailbox is how many messages may wait for the loop: a start burst of chunks fits, and
// when it is full the connection is read no faster than the loop works.
const mailbox = 256

// chunk is an audio chunk on its way to the loop.
type chunk struct {
	client.Chunk
	data []byte // a copy: the client's is valid during the call only
}

// controls is an output that volume, mute and output delay matter to.
type controls interface {
	SetControls(volume int, muted bool, delayUS int64)
}

// told is an event of the program itself.
type told struct {
	name string
	f    fields
}

// pressed is a key.
type pressed byte

// loop is the actor of the player.
type loop struct {
	clock  clockwork.Clock
	deck   *deck.Deck
	rep    reporter
	client func() *client.Client
	quit   func()    // ends the player
	source *recorder // of `tutti source`; nil in a player

	in   chan any // client.Event, chunk, told, pressed or logLine
	done chan struct{}

	controls         controls // of the output, nil if it has none
	leadMS, bufferMS int      // timing parameters once the player is warm

	// accessed by run only
	streaming bool
	synced    bool
	warm      bool  // the timing parameters are reported
	delay     int64 // output delay, µs
	bad       int   // chunk errors since the last stats
	status    status
	names     map[string]string // of servers, by server_id
}

func newLoop(clock clockwork.Clock, rep reporter, c func() *client.Client) *loop {
	return &loop{
		clock: clock, rep: rep, client: c, quit: func() {},
		in: make(chan any, mailbox), done: make(chan struct{}), names: map[string]string{},
	}
}

// post hands a message to the loop; after its end messages are dropped.
func (l *loop) post(m any) {
	select {
	case l.in <- m:
	case <-l.done:
	}
}

func (l *loop) onEvent(e client.Event) { l.post(e) }

func (l *loop) onChunk(c client.Chunk) { l.post(chunk{Chunk: c, data: slices.Clone(c.Data)}) }

func (l *loop) tell(name string, f fields) { l.post(told{name, f}) }

// run handles messages until ctx ends and all that was posted before is handled. An
// error is of the output or of stdout, and final.
func (l *loop) run(ctx context.Context) error {
	defer close(l.done)
	due := l.clock.NewTimer(time.Hour)
	defer due.Stop()
	second := l.clock.NewTicker(time.Second)
	defer second.Stop()
	redraw := l.clock.NewTicker(250 * time.Millisecond)
	defer redraw.Stop()
	for {
		var err error
		select {
		case m := <-l.in:
			err = l.handle(m)
		case <-due.Chan():
		case <-second.Chan():
			err = l.stats()
		case <-redraw.Chan():
			l.rep.status(l.status)
		case <-ctx.Done():
			return l.drain()
		}
		if err = errors.Join(err, l.play()); err != nil {
			return err
		}
		l.arm(due)
	}
}

// drain handles what was posted before the end: the goodbye is worth telling.
func (l *loop) drain() error {
	for {
		select {
		case m := <-l.in:
			if err := l.handle(m); err != nil {
				return err
			}
		default:
			return l.stats()
		}
	}
}

func (l *loop) play() error {
	if c := l.client(); c != nil {
		return l.deck.Play(c.Now())
	}
	return nil
}

// arm sets the timer for the next chunk.
func (l *loop) arm(t clockwork.Timer) {
	wait := time.Hour
	if c := l.client(); c != nil {
		if at, ok := l.deck.Next(); ok {
			// Not below 0.2 ms: a moment that is nearly here must not spin.
			wait = min(max(time.Duration(at-c.Now())*time.Microsecond, 200*time.Microsecond), time.Hour)
		}
	}
	t.Reset(wait)
}

func (l *loop) handle(m any) error {
	switch m := m.(type) {
	case told:
		return l.rep.event(m.name, m.f)
	case chunk:
		return l.add(m)
	case logLine:
		return l.rep.logged(string(m))
	case pressed:
		return l.press(byte(m))
	case client.Event:
		return l.event(m)
	}
	return nil
}

func (l *loop) add(m chunk) error {
	if at, ok := l.client().ClientTime(m.Timestamp); ok && l.synced {
		l.delay = at - m.PlayAt
	}
	err := l.deck.Add(deck.Chunk{
		Format: format(m.Format), Header: m.CodecHeader, Timestamp: m.Timestamp,
		DelayUS: l.delay, ArrivedAt: m.ArrivedAt, Data: m.data,
	})
	if err != nil {
		if l.bad++; l.bad == 1 { // the rest of this second is in the stats
			return l.rep.event("chunk_error", fields{"error": err.Error(), "timestamp": m.Timestamp})
		}
	}
	return nil
}

func format(f wire.AudioFormat) pcm.Format {
	out := pcm.Format{Codec: f.Codec, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}
	out.BitDepth = decode.Depth(out) // what comes out, where the stream leaves it open
	return out
}

// stats reports the last second of a stream.
func (l *loop) stats() error {
	if l.source != nil {
		return l.captureStats()
	}
	s := l.deck.TakeStats()
	l.status.stats = s
	l.bad = 0
	if !l.streaming && s.Chunks == 0 && s.Frames == 0 {
		return nil
	}
	cs := l.client().Stats()
	l.status.stddev = cs.StdDevUS
	f := fields{"stats": s, "clock_offset_us": int64(cs.OffsetUS), "clock_max_err_us": cs.MaxErrUS}
	if cs.Synced {
		f["clock_stddev_us"] = cs.StdDevUS
		f["clock_drift_ppm"] = cs.DriftPPM
	}
	return l.rep.event("stats", f)
}

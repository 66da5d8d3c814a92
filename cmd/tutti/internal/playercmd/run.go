package playercmd

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/sendspin/client"
)

// Timing parameters that the player reports: chunks are decoded at once and files need
// no warm-up; a sound card's buffer is added by its output.
const (
	coldLeadMS     = 300 // before the first activation
	requiredLeadMS = 200
	minBufferMS    = 200
)

// run plays until ctx ends (nil), or something fails for good.
func run(ctx context.Context, p playerPlan, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	d, err := newDevice(p.plan, clockwork.NewRealClock(), quit, stdin, stdout, stderr)
	if err != nil {
		return err
	}
	defer d.close()
	l := d.loop
	clock := func(server int64) (int64, bool) { return d.c.ClientTime(server) }
	out, err := newOutput(p, l, clock)
	if err != nil {
		return err
	}
	l.deck = deck.New(out, p.buffer, clock)
	l.controls, _ = out.(controls)
	lead := int(out.LeadUS() / 1000)
	l.leadMS, l.bufferMS = requiredLeadMS+lead, minBufferMS+lead
	err = d.open("Tutti player", client.Config{
		Formats: p.formats, BufferCapacity: p.buffer, RequiredLeadMS: coldLeadMS + lead, MinBufferMS: l.bufferMS, OnChunk: l.onChunk,
	})
	if err != nil {
		return errors.Join(err, out.Close())
	}
	return errors.Join(d.work(ctx), out.Close())
}

// work runs the connection beside the loop and waits for both. Call open before.
func (d *device) work(ctx context.Context) error {
	l := d.loop
	l.tell("identity", fields{"name": d.plan.Name, "client_id": d.c.ID(), "fingerprint": fingerprint(d.c)})
	connecting, stop := context.WithCancel(ctx)
	defer stop()
	looping, end := context.WithCancel(context.Background())
	defer end()
	var failed error
	finished := make(chan struct{})
	go func() { // ends with connecting; waited for below
		defer close(finished)
		failed = connect(connecting, d.plan, d.c, l.tell)
		end() // the loop tells the last events, then returns
	}()
	var gestures sync.WaitGroup
	press := func(key byte) { l.post(pressed(key)) }
	gestures.Go(func() { d.keys.run(connecting, press) })
	gestures.Go(func() { onGestureSignal(connecting, press) })
	err := l.run(looping)
	stop()
	<-finished
	gestures.Wait()
	if ctx.Err() != nil && errors.Is(failed, ctx.Err()) || errors.Is(failed, context.Canceled) {
		failed = nil // asked to stop
	}
	return errors.Join(err, failed)
}

func newReporter(p plan, stdout io.Writer) reporter {
	if p.JSON {
		return &jsonReporter{w: stdout, now: time.Now}
	}
	return newTextReporter(stdout)
}

// newOutput opens the output. What it reports goes through the loop's reporter, on the
// loop's goroutine, which is the one that calls outputs.
func newOutput(p playerPlan, l *loop, clock func(int64) (int64, bool)) (deck.Output, error) {
	switch p.output {
	case "wav":
		return deck.NewWAV(p.target, func(file string, f pcm.Format, firstTS int64) {
			_ = l.rep.event("recording", fields{ // a failing stdout shows at the next event
				"file": file, "first_timestamp": firstTS, "sample_rate": f.SampleRate, "bit_depth": f.BitDepth, "channels": f.Channels,
			})
		})
	case "alsa":
		return newALSA(p.target, func() int64 { return l.client().Now() }, clock)
	}
	return deck.Null{}, nil
}

func fingerprint(c *client.Client) string { return c.Store().Identity().Public().Fingerprint() }

package playercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Timing parameters that the player reports: chunks are decoded at once and files need
// no warm-up; a sound card's buffer is added by its output.
const (
	coldLeadMS     = 300 // before the first activation
	requiredLeadMS = 200
	minBufferMS    = 200
)

// run plays until ctx ends (nil), or something fails for good.
func run(ctx context.Context, p plan, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	store, err := openStore(p.identity)
	if err != nil {
		return err
	}
	rep := newReporter(p, stdout)
	defer rep.close()
	var c *client.Client
	l := newLoop(clockwork.NewRealClock(), rep, func() *client.Client { return c })
	l.quit = quit
	keys := newKeyboard(stdin, p.JSON)
	log, err := obs.NewLogger(l.logTo(rep, stderr), p.LogLevel, "text")
	if err != nil {
		return usageError{err}
	}
	clock := func(server int64) (int64, bool) { return c.ClientTime(server) }
	out, err := newOutput(p, l, clock)
	if err != nil {
		return err
	}
	l.deck = deck.New(out, p.Buffer, clock)
	l.controls, _ = out.(controls)
	lead := int(out.LeadUS() / 1000)
	l.leadMS, l.bufferMS = requiredLeadMS+lead, minBufferMS+lead
	c, err = client.New(client.Config{
		Name: p.Name, DeviceInfo: &wire.DeviceInfo{ProductName: "Tutti player", Manufacturer: "Tutti"},
		Store: store, Suite: p.suite, UnpairedAccess: p.UnpairedAccess, Formats: p.formats, BufferCapacity: p.Buffer,
		RequiredLeadMS: coldLeadMS + lead, MinBufferMS: l.bufferMS,
		AcceptSuccessors: true, VerifyRoster: roster.VerifyServer,
		Pairing: pairingConfig(p, keys.how()), OnEvent: l.onEvent, OnChunk: l.onChunk, Strict: p.Strict, Log: log, Path: path,
	})
	if err != nil {
		return errors.Join(err, out.Close())
	}
	return errors.Join(play(ctx, p, c, l, keys), out.Close())
}

// play runs the connection beside the loop and waits for both.
func play(ctx context.Context, p plan, c *client.Client, l *loop, keys *keyboard) error {
	l.tell("identity", fields{"name": p.Name, "client_id": c.ID(), "fingerprint": fingerprint(c)})
	connecting, stop := context.WithCancel(ctx)
	defer stop()
	looping, end := context.WithCancel(context.Background())
	defer end()
	var failed error
	finished := make(chan struct{})
	go func() { // ends with connecting; waited for below
		defer close(finished)
		failed = connect(connecting, p, c, l.tell)
		end() // the loop tells the last events, then returns
	}()
	var gestures sync.WaitGroup
	press := func(key byte) { l.post(pressed(key)) }
	gestures.Go(func() { keys.run(connecting, press) })
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

func openStore(path string) (*client.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make a place for the identity: %w: give another --identity", err)
	}
	store, err := client.OpenStore(path, nil)
	if err != nil {
		return nil, fmt.Errorf("open the identity %s: %w", path, err)
	}
	return store, nil
}

func newReporter(p plan, stdout io.Writer) reporter {
	if p.JSON {
		return &jsonReporter{w: stdout, now: time.Now}
	}
	return newTextReporter(stdout)
}

// newOutput opens the output. What it reports goes through the loop's reporter, on the
// loop's goroutine, which is the one that calls outputs.
func newOutput(p plan, l *loop, clock func(int64) (int64, bool)) (deck.Output, error) {
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

package radio

import (
	"context"

	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// browser browses on one interface, round after round, on a goroutine of its own.
type browser struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startBrowser(ctx context.Context, o Options, m *metrics, link mdns.Link, hear func(context.Context, record.Raw)) *browser {
	ctx, cancel := context.WithCancel(ctx)
	b := &browser{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.run(ctx, o, m, link, hear)
	}()
	return b
}

// end ends the browse and waits.
func (b *browser) end() { b.cancel(); <-b.done }

// run starts each round before it ends the one before, so that an announcement
// between two rounds is heard.
func (b *browser) run(ctx context.Context, o Options, m *metrics, link mdns.Link, hear func(context.Context, record.Raw)) {
	both := func(round context.Context, raw record.Raw) {
		round, cancel := context.WithCancel(round)
		defer cancel()
		detach := context.AfterFunc(ctx, cancel)
		defer detach()
		hear(round, raw)
	}
	stop, failed := func() {}, false
	defer func() { stop() }()
	for {
		next, err := o.Net.Browse(link, both)
		switch {
		case err != nil && !failed:
			o.Log.Warn("mDNS browse failed, trying again", obs.KeyIface, link.Name, obs.KeyErr, err)
		case err == nil && failed:
			o.Log.Info("mDNS browse works again", obs.KeyIface, link.Name)
		}
		failed = err != nil
		if err == nil {
			m.rounds.Inc()
			stop()
			stop = next
		}
		select {
		case <-o.Clock.After(o.Round):
		case <-ctx.Done():
			return
		}
	}
}

package dial

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Live is a session that a dial brought about.
type Live interface {
	// Done is closed when the session is over; Outcome is valid from then on.
	Done() <-chan struct{}
	Outcome() Outcome
	ClientID() string
}

// Network is what the dialer needs of the gateway.
type Network interface {
	// Connect dials url and opens a session. ctx bounds the opening only; the
	// session lives on. Exactly one of the results is set; an Outcome that is not
	// nil says why there is no session.
	Connect(ctx context.Context, url string) (Live, *Outcome)
	// ConnectedAs says whether the client that is known to answer at url is
	// connected to any gateway now, and who it is.
	ConnectedAs(url string) (clientID string, connected bool)
	// Elsewhere says whether the client that is known to answer at url is connected
	// to another gateway now.
	Elsewhere(url string) bool
	// Follow returns a channel that gets a token when the client connects or
	// disconnects.
	Follow(clientID string) (ch <-chan struct{}, stop func())
}

// Campaign runs run while this process holds the lease of key, until ctx ends.
type Campaign func(ctx context.Context, key string, run func(ctx context.Context))

// Mine says whether the sighting of key is dealt to this gateway. Only then does it
// campaign for the lease, so that the bus does not carry every gateway's interest in
// every device. The lease is for the moment in which two gateways see each other
// differently.
type Mine func(key string) bool

// Dialer owns the dial actors.
type Dialer struct {
	net      Network
	campaign Campaign
	mine     Mine
	clock    clockwork.Clock
	log      *slog.Logger

	ctx     context.Context
	mu      sync.Mutex
	targets map[string]*target
	wg      sync.WaitGroup
}

// New returns a dialer without sightings; its actors end with ctx, and Wait waits
// for them.
func New(ctx context.Context, net Network, campaign Campaign, mine Mine, clock clockwork.Clock, log *slog.Logger) *Dialer {
	return &Dialer{ctx: ctx, net: net, campaign: campaign, mine: mine, clock: clock, log: log, targets: map[string]*target{}}
}

// Wait returns when all actors have ended.
func (d *Dialer) Wait() { d.wg.Wait() }

// Take handles one change of the sightings bucket.
func (d *Dialer) Take(e bus.Entry[*tuttiv1.Sighting]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.targets[e.Key]
	if e.Value == nil || e.Value.GetUrl() == "" {
		if t != nil {
			t.drop()
			delete(d.targets, e.Key)
		}
		return
	}
	if t != nil {
		t.update(e.Value)
		return
	}
	t = &target{d: d, key: e.Key, poke: make(chan struct{}, 1), sighting: e.Value}
	d.targets[e.Key] = t
	t.deal()
}

// Redeal looks again at what is dealt to this gateway: a gateway came, went, or takes
// no more. Sessions that live stay where they are.
func (d *Dialer) Redeal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.targets {
		t.deal()
		t.wake() // the gateway that had the client may be the one that went
	}
}

// Ask makes dial actors that hold off try again: an operator decided something
// about the client. It is false when no sighting is known to be the client's.
func (d *Dialer) Ask(clientID string) (known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.targets {
		if id, _ := d.net.ConnectedAs(t.url()); id == clientID {
			t.ask()
			known = true
		}
	}
	return known
}

// Stray is a client with a session on some gateway whose sighting is not dealt to this one.
type Stray struct{ ClientID, Key string }

// Strays are all of them.
func (d *Dialer) Strays() []Stray {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Stray
	for key, t := range d.targets {
		if t.cancel != nil {
			continue
		}
		if id, connected := d.net.ConnectedAs(t.url()); connected {
			out = append(out, Stray{id, key})
		}
	}
	return out
}

// Len is the number of sightings that are dealt to this gateway.
func (d *Dialer) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, t := range d.targets {
		if t.cancel != nil {
			n++
		}
	}
	return n
}

// target is the dial actor of one sighting.
type target struct {
	d    *Dialer
	key  string
	poke chan struct{} // wakes run: the sighting changed, or asked

	// Guarded by d.mu.
	cancel context.CancelFunc // ends the campaign; nil: there is none
	ended  chan struct{}      // closed at the end of the last campaign

	mu       sync.Mutex
	sighting *tuttiv1.Sighting
	asked    bool
}

// deal begins to campaign for a sighting that is dealt to this gateway, and gives up
// one that no longer is; the caller holds d.mu.
func (t *target) deal() {
	mine := t.d.ctx.Err() == nil && t.d.mine(t.key)
	switch {
	case !mine:
		t.drop()
	case t.cancel == nil:
		ctx, cancel := context.WithCancel(t.d.ctx)
		before, ended := t.ended, make(chan struct{})
		t.cancel, t.ended = cancel, ended
		t.d.wg.Go(func() {
			defer close(ended)
			defer cancel()
			if before != nil {
				<-before
			}
			t.d.campaign(ctx, "dial."+t.key, t.run)
		})
	}
}

// drop ends the campaign; the caller holds d.mu.
func (t *target) drop() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
}

func (t *target) url() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sighting.GetUrl()
}

// update takes a new version of the sighting. One that appeared anew, or at
// another address, lifts a hold.
func (t *target) update(s *tuttiv1.Sighting) {
	t.mu.Lock()
	old := t.sighting
	t.sighting = s
	if s.GetAppearances() > old.GetAppearances() || s.GetPresent() && !old.GetPresent() ||
		s.GetUrl() != old.GetUrl() || !slices.Equal(s.GetOtherUrls(), old.GetOtherUrls()) {
		t.asked = true
	}
	t.mu.Unlock()
	t.wake()
}

func (t *target) ask() {
	t.mu.Lock()
	t.asked = true
	t.mu.Unlock()
	t.wake()
}

func (t *target) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// takeAsked reports whether somebody asked since the last time.
func (t *target) takeAsked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := t.asked
	t.asked = false
	return asked
}

// run is the actor's loop while the lease is held. Its state is local: a new
// holder begins afresh.
func (t *target) run(ctx context.Context) {
	var p Policy
	log := t.d.log.With(obs.KeyKey, t.key)
	for try := 0; ctx.Err() == nil; try++ {
		t.waitDisconnected(ctx)
		if ctx.Err() != nil {
			return
		}
		url, present := t.pick(p.Failures())
		o := t.attempt(ctx, url)
		if ctx.Err() != nil {
			return
		}
		if o.Goodbye == wire.GoodbyeAnotherServer && t.elsewhere(ctx) {
			o.AlreadyConnected = true // the other server is another gateway of ours
		}
		v := p.After(o, present)
		args := []any{obs.KeyURL, url, obs.KeyClient, o.ClientID, "rule", v.Why, "wait", v.Delay, "hold", v.Hold}
		if o.Err != nil {
			args = append(args, obs.KeyErr, o.Err)
		}
		if p.Failures() <= 1 || v.Hold {
			log.Info("dial ended", args...)
		} else {
			log.Debug("dial ended", args...)
		}
		if t.rest(ctx, v) {
			p.Fresh()
		}
	}
}

// pick rotates through the addresses of the sighting as attempts fail.
func (t *target) pick(failures int) (url string, present bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	urls := append([]string{t.sighting.GetUrl()}, t.sighting.GetOtherUrls()...)
	return urls[failures%len(urls)], t.sighting.GetPresent()
}

// attempt connects and waits for the end of the session. When the lease is lost
// meanwhile the session stays; its next dial is somebody else's.
func (t *target) attempt(ctx context.Context, url string) Outcome {
	// An opening is not broken off when the lease goes: it would have to begin again
	// somewhere else, and where processors are short nothing would ever be finished.
	live, failed := t.d.net.Connect(t.d.ctx, url)
	if failed != nil {
		return *failed
	}
	select {
	case <-live.Done():
		return live.Outcome()
	case <-ctx.Done():
		return Outcome{ClientID: live.ClientID()}
	}
}

// waitDisconnected returns when the client behind the sighting, if it is known,
// has no session anywhere.
func (t *target) waitDisconnected(ctx context.Context) {
	// Presence is pushed; the look every few seconds is for a record whose gateway
	// died, which nobody announces.
	const look = 5 * time.Second
	for ctx.Err() == nil {
		id, connected := t.d.net.ConnectedAs(t.url())
		if !connected {
			return
		}
		ch, stop := t.d.net.Follow(id)
		if _, still := t.d.net.ConnectedAs(t.url()); !still {
			stop()
			return
		}
		select {
		case <-ctx.Done():
		case <-ch:
		case <-t.poke:
		case <-t.d.clock.After(look):
		}
		stop()
	}
}

// elsewhere reports whether the client is connected to another gateway, or is so within a
// moment: the record of the session that took this one's place may still be on its way, as
// may be the one that says that this gateway's own has ended.
func (t *target) elsewhere(ctx context.Context) bool {
	id, _ := t.d.net.ConnectedAs(t.url())
	ch, stop := t.d.net.Follow(id)
	defer stop()
	late := t.d.clock.After(elsewhereWithin)
	for {
		if t.d.net.Elsewhere(t.url()) {
			return true
		}
		select {
		case <-ch:
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// rest waits as the verdict says, and reports whether somebody asked meanwhile.
func (t *target) rest(ctx context.Context, v Verdict) (asked bool) {
	var due <-chan time.Time
	if !v.Hold {
		timer := t.d.clock.NewTimer(v.Delay)
		defer timer.Stop()
		due = timer.Chan()
	}
	for {
		if t.takeAsked() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return false
		case <-t.poke:
		}
	}
}

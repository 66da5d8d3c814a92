package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Errors of the client's methods.
var (
	// ErrRunning: Dial, Connect, Serve or Run is at work already. A client uses one
	// way of connecting at a time.
	ErrRunning = errors.New("client: already running")
	// ErrBusy: too many calls wait for the client, which hangs in a callback or in a
	// connection that does not take messages.
	ErrBusy = errors.New("client: too many calls are waiting")
	// ErrNotConnected: there is no admitted connection with the role that this needs.
	ErrNotConnected = errors.New("client: no server with the needed role is connected")
	// ErrInvalid: a value is out of its range.
	ErrInvalid = errors.New("client: value out of range")
)

// GoodbyeError is why a connection ended when the client itself said client/goodbye.
type GoodbyeError struct {
	// Reason is one of wire's Goodbye constants.
	Reason string
}

// Error says what the reason means for the person in front of the client.
func (e *GoodbyeError) Error() string {
	switch e.Reason {
	case wire.GoodbyePairingRequired:
		return "client: the server wants to play without being paired; pair it, or turn unpaired access on"
	case wire.GoodbyeUnauthorized:
		return "client: the server asked for more than its pairing allows"
	case wire.GoodbyeUnpaired:
		return "client: the server has removed its pairing; pair it again to use it"
	}
	return "client: said goodbye: " + e.Reason
}

// Client is one Sendspin client. Its methods are safe for concurrent use, also from
// the callbacks. The ones that change something return at once: the change is carried
// out in the order of the calls.
type Client struct {
	cfg   Config
	stats counters

	// mu guards running, and core while nothing runs.
	mu      sync.Mutex
	running bool
	core    *core
}

// New returns a client. It starts nothing and opens no connection.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	c.core = newCore(&c.cfg, &c.stats)
	if err := c.core.checkHello(); err != nil {
		return nil, fmt.Errorf("client: configuration: %w", err)
	}
	return c, nil
}

// ID returns the client_id.
func (c *Client) ID() string { return c.cfg.Store.Identity().Public().ID() }

// Store returns what the client keeps over restarts.
func (c *Client) Store() *Store { return c.cfg.Store }

// Now returns the client's clock in microseconds.
func (c *Client) Now() int64 { return c.cfg.Now() }

// ClientTime translates a server time to the client's clock with the time filter of
// the admitted connection. ok is false before its first measurement.
func (c *Client) ClientTime(server int64) (client int64, ok bool) {
	f := c.stats.filter.Load()
	if f == nil {
		return 0, false
	}
	return f.ClientTime(server), true
}

// ServerTime is the inverse of [Client.ClientTime].
func (c *Client) ServerTime(client int64) (server int64, ok bool) {
	f := c.stats.filter.Load()
	if f == nil {
		return 0, false
	}
	return f.ServerTime(client), true
}

// SetVolume sets the player's volume, 0-100, as a knob on the device does.
func (c *Client) SetVolume(volume int) error {
	if volume < 0 || volume > 100 {
		return fmt.Errorf("%w: volume %d, want 0 to 100", ErrInvalid, volume)
	}
	return c.do(func(k *core) { k.setPlayer(func(p *settings) { p.volume = volume }, false) })
}

// SetMuted mutes or unmutes the player.
func (c *Client) SetMuted(muted bool) error {
	return c.do(func(k *core) { k.setPlayer(func(p *settings) { p.muted = muted }, false) })
}

// SetOutputDelay sets the delay beyond the device's audio port in milliseconds, 0-5000.
func (c *Client) SetOutputDelay(ms int) error {
	if ms < 0 || ms > wire.MaxOutputDelayMS {
		return fmt.Errorf("%w: output delay %d ms, want 0 to %d", ErrInvalid, ms, wire.MaxOutputDelayMS)
	}
	return c.do(func(k *core) { k.setPlayer(func(p *settings) { p.delayMS = ms }, false) })
}

// SetTiming changes required_lead_time_ms and min_buffer_ms.
func (c *Client) SetTiming(requiredLeadMS, minBufferMS int) error {
	if requiredLeadMS < 0 || minBufferMS < 0 {
		return fmt.Errorf("%w: a timing parameter is negative", ErrInvalid)
	}
	return c.do(func(k *core) {
		k.setPlayer(func(p *settings) { p.leadMS, p.bufferMS = requiredLeadMS, minBufferMS }, false)
	})
}

// SetFormat sets the format that the player prefers now, one of Config.Formats; nil
// takes the preference back.
func (c *Client) SetFormat(f *wire.AudioFormat) error {
	if f != nil {
		support := wire.PlayerSupport{Formats: c.cfg.Formats}
		if !support.Lists(*f) {
			return fmt.Errorf("%w: format %s is not among the client's formats", ErrInvalid, f)
		}
		copied := *f
		f = &copied
	}
	return c.do(func(k *core) { k.setPlayer(func(p *settings) { p.format = f }, false) })
}

// SetAvailable tells whether the client takes part in playback. False is for a use
// that will not yield to Sendspin.
func (c *Client) SetAvailable(available bool) error {
	return c.do(func(k *core) { k.setAvailable(available) })
}

// SetUnpairedAccess admits servers without a pairing record, or stops admitting them:
// connections that rely on it are then closed with client/goodbye pairing_required.
func (c *Client) SetUnpairedAccess(enabled bool) error {
	return c.do(func(k *core) { k.setUnpairedAccess(enabled) })
}

// SendCommand sends a controller command. The error is [ErrNotConnected] without an
// active controller role; a command that the server does not list now is dropped and
// logged.
func (c *Client) SendCommand(cmd wire.ControllerCommand) error {
	m := &wire.ClientCommand{Controller: &cmd}
	if _, err := wire.Current().Encode(m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !c.holds(wire.RoleController) {
		return ErrNotConnected
	}
	return c.do(func(k *core) { k.sendCommand(m) })
}

// Leave takes the client out of its group, for an activity that Sendspin may
// interrupt.
func (c *Client) Leave() error {
	if c.stats.roles.Load() == nil {
		return ErrNotConnected
	}
	return c.do(func(k *core) {
		if k.holder != nil {
			k.holder.send(&wire.ClientLeave{})
		}
	})
}

// Goodbye sends client/goodbye with the reason, one of wire's Goodbye constants, and
// closes every connection. Dial connects again only after GoodbyeRestart.
func (c *Client) Goodbye(reason string) error {
	if _, err := wire.Current().Encode(&wire.ClientGoodbye{Reason: reason}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c.do(func(k *core) { k.goodbye(reason) })
}

// holds reports whether a role family is active on the admitted connection.
func (c *Client) holds(family string) bool {
	roles := c.stats.roles.Load()
	return roles != nil && wire.ActiveFamily(*roles, family) != ""
}

// do has the core carry f out, or does it here while nothing runs.
func (c *Client) do(f func(*core)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		f(c.core)
		return nil
	}
	select {
	case c.core.calls <- f:
		return nil
	default:
		return ErrBusy
	}
}

// run starts the core, lets connect open connections, and stops everything when
// that returns.
func (c *Client) run(ctx context.Context, connect func(context.Context) error) error {
	c.mu.Lock()
	if c.running {
		c.mu.Unlock()
		return ErrRunning
	}
	c.running = true
	c.core.start()
	c.mu.Unlock()

	var wg sync.WaitGroup
	wg.Go(func() { c.core.loop(ctx) })
	err := connect(ctx)
	c.core.shut()
	wg.Wait()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	c.core.drain()
	return err
}

// Run runs one connection over a transport that is open already, and returns when it
// is over: ctx's error, a [*GoodbyeError], or what ended the connection.
func (c *Client) Run(ctx context.Context, t channel.Transport) error {
	return c.run(ctx, func(ctx context.Context) error { return c.core.serve(ctx, t, false).err })
}

// counters is what other goroutines may read of a running client.
type counters struct {
	chunks, bytes, outside, late, violations, connections atomic.Uint64
	images, frames, framesLate                            atomic.Uint64
	minLead, maxDelay                                     atomic.Int64
	filter                                                atomic.Pointer[filterCopy]
	roles                                                 atomic.Pointer[[]string] // of the admitted connection; nil without one
	serverID                                              atomic.Pointer[string]
	capture                                               atomic.Pointer[[]string] // codecs that OpenCapture may use; nil: it may not be called
	captured, captureDropped                              atomic.Uint64
}

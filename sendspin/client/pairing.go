package client

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ErrNoStaticCode: the client has no static pairing code, so there is no window to open.
var ErrNoStaticCode = errors.New("client: there is no static pairing code to open a window for")

// PairingConfig says how servers may pair with a client. The Pairing PSK method is
// always offered, as the specification demands; of the two with a code at most one is
// (section Pairing).
type PairingConfig struct {
	// PSKLocations tells where the pairing token is found: wire's Location constants.
	PSKLocations []string
	// StaticCode offers the static pairing code, 8 digits ([pairing.ParseDigits] with
	// [pairing.StaticLen]). Every attempt waits for Client.OpenPairingWindow.
	StaticCode pairing.Code
	// StaticCodeLocations tells where that code is found.
	StaticCodeLocations []string
	// DynamicCode offers the dynamic pairing code on these channels in these formats;
	// [PairingCode] tells what to emit. With wire.OutSpeaker among the channels
	// [OutputSuspended] tells when the player has to be silent.
	DynamicCode *wire.DynamicMethod
	// Hold holds every attempt with the dynamic code back until Client.ResetRounds.
	Hold bool
	// HoldMessage tells the operator what an attempt waits for that is held back, at
	// most 200 characters.
	HoldMessage string
	// RoundLimit holds attempts with the dynamic code back after fewer rounds than the
	// specification's 20; 0 is 20.
	RoundLimit int
	// Timeout bounds an attempt; 0 is 2 minutes.
	Timeout time.Duration
	// WindowLifetime is how long a window stays open; 0 is 5 minutes.
	WindowLifetime time.Duration
}

func (c *PairingConfig) check() error {
	static := !c.StaticCode.IsZero()
	switch {
	case static && c.DynamicCode != nil:
		return errors.New("client: a client offers one pairing-code method: the static or the dynamic code")
	case static && (c.StaticCode.IsQR() || len(c.StaticCode.Text()) != pairing.StaticLen+1):
		return fmt.Errorf("client: the static pairing code has %d digits", pairing.StaticLen)
	case utf8.RuneCountInString(c.HoldMessage) > wire.MaxPendingMessage:
		return fmt.Errorf("client: the message of a held attempt has at most %d characters", wire.MaxPendingMessage)
	case c.DynamicCode != nil && (len(c.DynamicCode.Formats) == 0 || len(c.DynamicCode.OutChannels) == 0):
		return errors.New("client: the dynamic pairing code needs a channel and a format")
	}
	return nil
}

// methods are the pairing methods that the client offers.
func (c *PairingConfig) methods() wire.PairMethods {
	m := wire.PairMethods{PSK: &wire.SecretMethod{Locations: c.PSKLocations}, DynamicCode: c.DynamicCode}
	if !c.StaticCode.IsZero() {
		m.StaticCode = &wire.SecretMethod{Locations: c.StaticCodeLocations}
	}
	return m
}

// speaks reports whether the dynamic code comes out of the player's own output.
func (c *PairingConfig) speaks() bool {
	return c.DynamicCode != nil && slices.Contains(c.DynamicCode.OutChannels, wire.OutSpeaker)
}

// pairingState is what a client remembers between attempts, and over restarts. It
// belongs to the core.
type pairingState struct {
	rounds    *pairing.Rounds
	window    *pairing.Window
	open      bool // as told by the last PairingWindow
	suspended bool // as told by the last OutputSuspended
}

func newPairingState(cfg *Config) pairingState {
	rounds := pairing.RoundsFrom(cfg.Store.rounds())
	rounds.Limit = cfg.Pairing.RoundLimit
	return pairingState{rounds: rounds, window: &pairing.Window{Lifetime: cfg.Pairing.WindowLifetime}}
}

// PairingToken returns the client's pairing token, for the operator to give to a
// server. It is a secret, and stays the same.
func (c *Client) PairingToken() string { return c.cfg.Store.PairingToken() }

// OpenPairingWindow is the operator's gesture at the device: for five minutes servers
// may pair with the static code, on the first connection that does (section Pairing
// Window). An attempt that waits begins. It fails with ErrNoStaticCode.
func (c *Client) OpenPairingWindow() error {
	if c.cfg.Pairing.StaticCode.IsZero() {
		return ErrNoStaticCode
	}
	return c.do(func(k *core) {
		k.pairing.window.Open(k.cfg.Clock.Now())
		k.settlePairing()
		k.release()
	})
}

// ClosePairingWindow closes the window; an attempt that runs goes on.
func (c *Client) ClosePairingWindow() error {
	return c.do(func(k *core) {
		k.pairing.window.Close()
		k.settlePairing()
	})
}

// CancelPairing ends every attempt, also one that is held back, as the operator at the
// device wants it. A pairing window stays open.
func (c *Client) CancelPairing() error {
	return c.do(func(k *core) {
		for _, s := range k.pairingSessions() {
			s.drive(s.flow.Cancel())
		}
	})
}

// ResetRounds is the deliberate action at the device that admits attempts with the
// dynamic code again after the round limit (section Rounds), or the one that Hold asks
// for. An attempt that waits begins.
func (c *Client) ResetRounds() error {
	return c.do(func(k *core) {
		k.pairing.rounds.Reset()
		k.release()
	})
}

// pairingSessions are the sessions with a flow that may be moved now.
func (k *core) pairingSessions() (list []*session) {
	for _, s := range k.sessions {
		if s.flow != nil && s.phase != over && !s.rekeying() {
			list = append(list, s)
		}
	}
	return list
}

// release starts the attempts that nothing holds back any more.
func (k *core) release() {
	for _, s := range k.pairingSessions() {
		s.drive(s.flow.Release(k.cfg.Clock.Now()))
	}
	k.keepRounds()
	k.settlePairing()
}

// keepRounds stores the count of rounds, if it has changed.
func (k *core) keepRounds() bool {
	if err := k.cfg.Store.setRounds(k.pairing.rounds.Count()); err != nil {
		k.cfg.Log.Error("the count of pairing rounds is not stored", "error", err)
		return false
	}
	return true
}

// attempting reports whether an attempt runs on any connection.
func (k *core) attempting() bool {
	for _, s := range k.sessions {
		if s.attempting() {
			return true
		}
	}
	return false
}

// settlePairing tells what has changed about the window and about the output.
func (k *core) settlePairing() {
	p := &k.pairing
	now := k.cfg.Clock.Now()
	if open := p.window.IsOpen(now); open != p.open {
		p.open = open
		e := PairingWindow{Open: open}
		if open {
			e.For = p.window.Expires().Sub(now)
		}
		k.emit(e)
	}
	suspended := false
	for _, s := range k.sessions {
		suspended = suspended || s.attempting() && s.attempt.speaks
	}
	if suspended != p.suspended {
		p.suspended = suspended
		k.emit(OutputSuspended{Suspended: suspended})
	}
}

// pairingDeadline is when settlePairing has something to tell, on the client's clock.
func (k *core) pairingDeadline() int64 {
	if !k.pairing.open {
		return never
	}
	return k.at(k.pairing.window.Expires())
}

// at translates a time of the clock that runs the timers to the client's clock, and
// rounds up.
func (k *core) at(t time.Time) int64 {
	return k.cfg.Now() + t.Sub(k.cfg.Clock.Now()).Microseconds() + 1
}

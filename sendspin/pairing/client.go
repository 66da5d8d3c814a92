package pairing

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ClientState is where a client's attempt stands.
type ClientState int

// The states in the order in which an attempt passes them.
const (
	// ClientNew: Start is to be called.
	ClientNew ClientState = iota + 1
	// ClientHeld: the attempt is held back; Release may start it.
	ClientHeld
	// ClientOpening: client/pair-init or client/pair-retry is sent, server/pair-init
	// is to come (dynamic code).
	ClientOpening
	// ClientShowing: the operator has the code, server/pair-auth is to come.
	ClientShowing
	// ClientExchanging: client/pair-auth is sent, server/pair-confirm is to come.
	ClientExchanging
	// ClientFinalizing: client/pair-finalize is sent, server/pair-finalize is to come.
	ClientFinalizing
	// ClientSucceeded: the record may be stored.
	ClientSucceeded
	// ClientAborted: this client sent pair/abort.
	ClientAborted
	// ClientEnded: the server aborted, or a server/activate came.
	ClientEnded
	// ClientClosed: a protocol error closed the connection, or it is gone.
	ClientClosed
)

var clientStates = [...]string{
	"none", "new", "held", "opening", "showing", "exchanging", "finalizing", "succeeded", "aborted", "ended", "closed",
}

// String names the state.
func (s ClientState) String() string {
	if s < 0 || int(s) >= len(clientStates) {
		return "none"
	}
	return clientStates[s]
}

// ClientConfig is what a client's attempt starts from.
type ClientConfig struct {
	Session
	// Method and Format are what the server/activate selects, as received.
	Method, Format string
	// Offers are the methods that the client offers now.
	Offers wire.PairMethods
	// StaticCode is the device's code ([ParseDigits]), needed when the static method
	// is offered. It stays the driver's.
	StaticCode Code
	// Rounds is the device's count, needed when the dynamic method is offered.
	Rounds *Rounds
	// Window is the device's pairing window, needed when the static method is
	// offered.
	Window *Window
	// Conn tells the client's connections apart, for the window.
	Conn uint64
	// Hold holds a dynamic attempt back although the round limit does not, for
	// instance for a cooldown (section Rounds).
	Hold bool
	// HoldMessage tells the operator what a held attempt waits for, at most 200
	// characters.
	HoldMessage string
	// Timeout is AttemptTimeout when 0.
	Timeout time.Duration
	// Rand is the source of nonce, scalars and PSK; nil is crypto/rand. It must be
	// cryptographically secure.
	Rand io.Reader
}

// ClientFlow is the client's side of one pairing attempt: the one that a
// server/activate admits. Its methods take what happened, with the time where it
// matters, and return what is to be done. It does no I/O, has no clock and is not safe
// for concurrent use: its owner calls it, and also owns Rounds and Window.
//
// After its attempt the flow stays in charge of the pairing messages of the
// connection until the next server/activate with the pairing activity or the next Noise
// handshake. Without any flow since the last handshake, a pairing message is a
// protocol error.
type ClientFlow struct {
	cfg      ClientConfig
	state    ClientState
	round    uint32
	deadline time.Time
	nonceB   [32]byte
	psk      noise.PSK // from when it is drawn until it is handed over or wiped
	code     Code
	pake     round
}

// NewClientFlow prepares the attempt of a received server/activate. It fails when the
// configuration lacks what the client offers.
func NewClientFlow(cfg ClientConfig) (*ClientFlow, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Offers.DynamicCode != nil && cfg.Rounds == nil {
		return nil, errors.New("pairing: the dynamic code needs a count of rounds")
	}
	if cfg.Offers.StaticCode != nil && (cfg.Window == nil || cfg.StaticCode.IsQR() || len(cfg.StaticCode.prs()) != StaticLen) {
		return nil, fmt.Errorf("pairing: the static code needs a window and %d digits", StaticLen)
	}
	if utf8.RuneCountInString(cfg.HoldMessage) > wire.MaxPendingMessage {
		return nil, fmt.Errorf("pairing: the message of a held attempt has at most %d characters", wire.MaxPendingMessage)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = AttemptTimeout
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &ClientFlow{cfg: cfg, state: ClientNew, round: 1}, nil
}

// State is where the attempt stands.
func (f *ClientFlow) State() ClientState { return f.state }

// Deadline is when the attempt times out, and zero while none runs. The driver calls
// Tick then.
func (f *ClientFlow) Deadline() time.Time {
	if !f.running() {
		return time.Time{}
	}
	return f.deadline
}

// Format implements fmt.Formatter and shows the state only.
func (f *ClientFlow) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "(pairing attempt of the client, %s: %s)", f.cfg.Method, f.state)
}

// Start answers the activation: it starts the attempt, holds it back, or refuses the
// method. The driver has found the activation otherwise admissible.
func (f *ClientFlow) Start(now time.Time) []Effect {
	if f.state != ClientNew {
		return nil
	}
	if !f.cfg.permits(f.cfg.Method, f.cfg.Format, f.cfg.Offers) {
		return f.abort(wire.AbortMethodNotSupported)
	}
	if f.cfg.Hold && f.dynamic() || !f.admitted(now) {
		f.state = ClientHeld
		return []Effect{Send{&wire.ClientPairPending{PairingIndex: f.cfg.Index, Message: f.cfg.HoldMessage}}}
	}
	return f.begin(now)
}

// Release starts a held attempt when nothing holds it back any more: after
// Window.Open, Rounds.Reset, or the end of a cooldown.
func (f *ClientFlow) Release(now time.Time) []Effect {
	if f.state != ClientHeld || !f.admitted(now) {
		return nil
	}
	return f.begin(now)
}

// Tick ends an attempt that has taken too long.
func (f *ClientFlow) Tick(now time.Time) []Effect {
	if !f.running() || now.Before(f.deadline) {
		return nil
	}
	return f.abort(wire.AbortAttemptTimeout)
}

// Cancel ends the attempt, also a held one, because the operator at the device wants
// it. It leaves a pairing window open: that is Window.Close.
func (f *ClientFlow) Cancel() []Effect {
	if !f.live() {
		return nil
	}
	return f.abort(wire.AbortUserCancelled)
}

// Displace gives the attempt up in favour of another connection, or refuses it because
// of one, and closes the connection (section Multiple servers).
func (f *ClientFlow) Displace() []Effect {
	if f.state != ClientNew && !f.live() {
		return nil
	}
	f.end(ClientClosed)
	f.dropped()
	return []Effect{Send{&wire.PairAbort{Reason: wire.AbortConcurrentAttempt}}, Close{}}
}

// Dropped says that the connection is gone.
func (f *ClientFlow) Dropped() []Effect {
	live := f.live()
	f.dropped()
	if f.state != ClientClosed {
		f.end(ClientClosed)
	}
	if !live {
		return nil
	}
	return []Effect{Ended{Outcome: Left}}
}

func (f *ClientFlow) dynamic() bool { return f.cfg.Method == wire.MethodDynamicCode }

// admitted reports whether window and round limit let the attempt start.
func (f *ClientFlow) admitted(now time.Time) bool {
	switch f.cfg.Method {
	case wire.MethodDynamicCode:
		return !f.cfg.Rounds.Held()
	case wire.MethodStaticCode:
		return f.cfg.Window.admit(now, f.cfg.Conn)
	}
	return true
}

// running reports whether the attempt has begun and is not over.
func (f *ClientFlow) running() bool {
	return f.state >= ClientOpening && f.state <= ClientFinalizing
}

// live reports whether the attempt is held or runs.
func (f *ClientFlow) live() bool { return f.state == ClientHeld || f.running() }

// begin sends client/pair-init, and what follows it without an answer.
func (f *ClientFlow) begin(now time.Time) []Effect {
	f.deadline = now.Add(f.cfg.Timeout)
	m := &wire.ClientPairInit{PairingIndex: f.cfg.Index}
	effects := []Effect{Send{m}}
	switch f.cfg.Method {
	case wire.MethodPSK:
		if err := f.draw(); err != nil {
			return f.broken(err)
		}
		f.state = ClientFinalizing
		return append(effects, Send{&wire.ClientPairFinalize{LongTermPSK: f.psk.Bytes()}})
	case wire.MethodDynamicCode:
		if _, err := io.ReadFull(f.cfg.Rand, f.nonceB[:]); err != nil {
			return f.broken(fmt.Errorf("pairing: draw nonce: %w", err))
		}
		commit := Commit(f.nonceB)
		m.Commit = commit[:]
		f.state = ClientOpening
	default:
		f.state = ClientShowing
	}
	return effects
}

// draw makes the new long-term PSK.
func (f *ClientFlow) draw() (err error) {
	f.psk, err = noise.GeneratePSK(f.cfg.Rand)
	return err
}

// end wipes what the attempt holds.
func (f *ClientFlow) end(state ClientState) {
	f.state = state
	f.psk.Wipe()
	f.psk = noise.PSK{}
	f.code.Wipe()
	f.code = Code{}
	clear(f.nonceB[:])
	f.pake.wipe()
}

func (f *ClientFlow) abort(reason string) []Effect {
	f.end(ClientAborted)
	return abort(reason)
}

// fail closes the connection for what the server did.
func (f *ClientFlow) fail(m wire.Message, err error) []Effect {
	f.end(ClientClosed)
	f.dropped()
	return fault(m, err)
}

// broken closes the connection for what this side cannot do.
func (f *ClientFlow) broken(err error) []Effect {
	f.end(ClientClosed)
	f.dropped()
	return []Effect{Close{Err: err}}
}

// dropped tells the window that its connection is gone, or is about to be.
func (f *ClientFlow) dropped() {
	if f.cfg.Window != nil {
		f.cfg.Window.Dropped(f.cfg.Conn)
	}
}

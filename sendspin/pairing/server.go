package pairing

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing/cpace"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ServerState is where a server's attempt stands.
type ServerState int

// The states in the order in which an attempt passes them.
const (
	// ServerWaiting: the activation is sent, client/pair-init is to come.
	ServerWaiting ServerState = iota + 1
	// ServerHeld: the device holds the attempt back.
	ServerHeld
	// ServerNeedsCode: the operator is to enter the code.
	ServerNeedsCode
	// ServerExchanging: server/pair-auth is sent, client/pair-auth is to come.
	ServerExchanging
	// ServerConfirming: server/pair-confirm is sent, client/pair-confirm or
	// client/pair-retry is to come.
	ServerConfirming
	// ServerFinalizing: the client is authenticated, client/pair-finalize is to come.
	ServerFinalizing
	// ServerStoring: the driver stores the record.
	ServerStoring
	// ServerSucceeded: server/pair-finalize is sent.
	ServerSucceeded
	// ServerEnded: the attempt was aborted or left.
	ServerEnded
	// ServerClosed: a protocol error closed the connection.
	ServerClosed
)

var serverStates = [...]string{
	"none", "waiting", "held", "needs code", "exchanging", "confirming", "finalizing", "storing", "succeeded", "ended", "closed",
}

// String names the state.
func (s ServerState) String() string {
	if s < 0 || int(s) >= len(serverStates) {
		return "none"
	}
	return serverStates[s]
}

// ServerConfig is what a server's attempt starts from.
type ServerConfig struct {
	Session
	// Method and Format are what the server/activate selects: constants of package
	// wire. Format is empty but for the dynamic code.
	Method, Format string
	// Offers are the client's supported_pair_methods.
	Offers wire.PairMethods
	// Rand is the source of nonce and scalars; nil is crypto/rand. It must be
	// cryptographically secure.
	Rand io.Reader
}

// ServerFlow is the server's side of one pairing attempt: the one that a
// server/activate admits. Its methods take what happened and return what is to be done.
// It does no I/O, knows no time and is not safe for concurrent use: its owner calls it.
//
// After its attempt the flow stays in charge of the pairing messages that are still
// under way, until the next pairing activation or Noise handshake on the connection.
// Without any flow since the last handshake, a pairing message is a protocol error.
type ServerFlow struct {
	cfg    ServerConfig
	state  ServerState
	round  uint32
	nonceA [32]byte
	commit [32]byte
	code   Code // as entered, until it is checked
	pake   round
}

// NewServerFlow begins an attempt. The driver sends the server/activate with
// Activation. It fails when the method does not go with the session or the client's
// offers, which a server must find out before it activates.
func NewServerFlow(cfg ServerConfig) (*ServerFlow, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if !cfg.permits(cfg.Method, cfg.Format, cfg.Offers) {
		return nil, fmt.Errorf("pairing: method %q %q does not go with a %q connection or is not offered", cfg.Method, cfg.Format, cfg.Matched)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	f := &ServerFlow{cfg: cfg, state: ServerWaiting, round: 1}
	if f.dynamic() {
		if _, err := io.ReadFull(cfg.Rand, f.nonceA[:]); err != nil {
			return nil, fmt.Errorf("pairing: draw nonce: %w", err)
		}
	}
	return f, nil
}

// Activation is the pairing object of the server/activate that admits the attempt.
func (f *ServerFlow) Activation() *wire.ActivatePairing {
	a := &wire.ActivatePairing{Method: f.cfg.Method}
	if f.dynamic() {
		a.Format = f.cfg.Format
	}
	return a
}

// State is where the attempt stands.
func (f *ServerFlow) State() ServerState { return f.state }

// Round is the number of the current round, 1 for the first.
func (f *ServerFlow) Round() uint32 { return f.round }

// Format implements fmt.Formatter and shows the state only.
func (f *ServerFlow) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "(pairing attempt of the server, %s: %s)", f.cfg.Method, f.state)
}

// EnterCode takes the code that the operator typed or scanned. The static code may
// come before it is asked for. An error is about the input, for the operator
// ([ParseCode]), or ErrCodeNotWanted; it leaves the attempt as it was.
func (f *ServerFlow) EnterCode(input string) ([]Effect, error) {
	static := f.cfg.Method == wire.MethodStaticCode
	early := static && (f.state == ServerWaiting || f.state == ServerHeld)
	if !early && f.state != ServerNeedsCode {
		return nil, ErrCodeNotWanted
	}
	code, err := ParseCode(f.cfg.Method, f.cfg.Format, input)
	if err != nil {
		return nil, err
	}
	f.code.Wipe()
	f.code = code
	if early {
		return nil, nil
	}
	return f.exchange(), nil
}

// Stored says that the record of Verified is stored: the client is told so, and the
// attempt has succeeded. It has no effect in other states.
func (f *ServerFlow) Stored() []Effect {
	if f.state != ServerStoring {
		return nil
	}
	f.end(ServerSucceeded)
	return []Effect{Send{&wire.ServerPairFinalize{}}, Ended{Outcome: Success}}
}

// Cancel ends the attempt because the operator wants it: the client is told, and the
// driver then sends a server/activate that leaves pairing. It has no effect on an
// attempt that is over.
func (f *ServerFlow) Cancel() []Effect {
	if f.over() {
		return nil
	}
	f.end(ServerEnded)
	return abort(wire.AbortUserCancelled)
}

// Leave ends the attempt without a pair/abort: for a server's own timeouts, for a
// record that cannot be stored, for a connection that is gone. While the connection
// lasts, the driver sends a server/activate that leaves pairing. It has no effect on an
// attempt that is over.
func (f *ServerFlow) Leave() []Effect {
	if f.over() {
		return nil
	}
	f.end(ServerEnded)
	return []Effect{Ended{Outcome: Left}}
}

func (f *ServerFlow) dynamic() bool { return f.cfg.Method == wire.MethodDynamicCode }

func (f *ServerFlow) over() bool { return f.state >= ServerSucceeded }

// end wipes what the attempt holds.
func (f *ServerFlow) end(state ServerState) {
	f.state = state
	f.code.Wipe()
	f.code = Code{}
	f.pake.wipe()
}

// fail closes the connection for what the peer did.
func (f *ServerFlow) fail(m wire.Message, err error) []Effect {
	f.end(ServerClosed)
	return fault(m, err)
}

// broken closes the connection for what this side cannot do.
func (f *ServerFlow) broken(err error) []Effect {
	f.end(ServerClosed)
	return []Effect{Close{Err: err}}
}

// exchange starts the CPace run of a round with the entered code.
func (f *ServerFlow) exchange() []Effect {
	share, err := f.pake.start(cpace.Initiator, f.cfg.Session, f.round, f.code, f.cfg.Rand)
	if err != nil {
		return f.broken(err)
	}
	f.state = ServerExchanging
	return []Effect{Send{&wire.ServerPairAuth{PAKEMsg1: share}}}
}

// bound checks the commitment's opening and the binding of the entered code.
func (f *ServerFlow) bound(wrapped []byte) error {
	nonceB, err := f.pake.unwrap(LabelNonce, wrapped)
	if err != nil {
		return err
	}
	defer clear(nonceB[:])
	commit := Commit(nonceB)
	if subtle.ConstantTimeCompare(commit[:], f.commit[:]) != 1 {
		return ErrCommitment
	}
	var derived Code
	if f.cfg.Format == wire.FormatQRCode {
		derived = Current().QR(f.cfg.Hash, f.nonceA, nonceB)
	} else {
		derived = Current().Digits(f.cfg.Hash, f.nonceA, nonceB, DigitsLen)
	}
	defer derived.Wipe()
	if !derived.Equal(f.code) {
		return ErrBinding
	}
	return nil
}

// longTerm takes the new PSK out of client/pair-finalize.
func (f *ServerFlow) longTerm(m *wire.ClientPairFinalize) (noise.PSK, error) {
	var secret [32]byte
	defer clear(secret[:])
	if f.cfg.Method == wire.MethodPSK {
		if len(m.LongTermPSK) != len(secret) || m.WrappedPSK != nil {
			return noise.PSK{}, ErrField
		}
		copy(secret[:], m.LongTermPSK)
	} else {
		if len(m.WrappedPSK) != WrappedLen || m.LongTermPSK != nil {
			return noise.PSK{}, ErrField
		}
		var err error
		if secret, err = f.pake.unwrap(LabelPSK, m.WrappedPSK); err != nil {
			return noise.PSK{}, err
		}
	}
	psk, err := noise.NewPSK(secret[:])
	if err == nil && psk.IsSentinel() {
		err = ErrPSK
	}
	return psk, err
}

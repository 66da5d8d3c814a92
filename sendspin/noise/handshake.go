package noise

import (
	"errors"
	"fmt"
	"io"

	flynn "github.com/flynn/noise"
)

// Config is what both ends of a handshake bring to it.
type Config struct {
	// Suite is the client's choice.
	Suite Suite
	// Static is the own identity.
	Static *PrivateKey
	// Peer is the identity that the peer claims; the handshake proves it.
	Peer PublicKey
	// Prologue is client/init followed by server/init, byte for byte; in a
	// re-handshake the hash of the handshake before.
	Prologue []byte
	// SentinelFallback allows the Sentinel PSK in place of the referenced one:
	// true in an initial handshake, false in a re-handshake (specification:
	// "Sentinel Fallback").
	SentinelFallback bool
	// Rand draws the ephemeral key; nil is crypto/rand.
	Rand io.Reader
}

// Result is a finished handshake.
type Result struct {
	// Session holds the transport keys.
	Session *Session
	// Hash is the handshake hash h, a copy: channel binding and prologue of the next re-handshake.
	Hash [32]byte
	// Matched is the category of the PSK that keyed the session.
	Matched Category
	// Mismatch is the authenticated credential-mismatch signal: the client could
	// not use the referenced PSK and fell back to the Sentinel. By itself it must
	// not change any record.
	Mismatch bool
}

// An Initiator is the server's side between message 1 and message 2.
type Initiator struct {
	cfg   Config
	cred  Credential
	curve *curve
	state *flynn.HandshakeState
}

// NewInitiator starts a handshake with the credential that the server wants to
// use and returns Noise message 1. The credential's category must be Sentinel
// exactly when its PSK is the Sentinel PSK.
func NewInitiator(cfg Config, cred Credential) (*Initiator, []byte, error) {
	if cred.PSK.IsZero() || !cred.Category.Valid() || cred.PSK.IsSentinel() != (cred.Category == Sentinel) {
		return nil, nil, errors.New("noise: credential's key and category do not belong together")
	}
	i := &Initiator{cfg: cfg, cred: cred}
	var err error
	if i.state, i.curve, err = newState(cfg, true); err != nil {
		return nil, nil, err
	}
	msg, _, _, err := i.state.WriteMessage(nil, encodePayload1(cred.PSK.ID(), cred.Category))
	if err != nil {
		return nil, nil, i.curve.classifyWrite("message 1", err)
	}
	return i, msg, nil
}

// Finish verifies Noise message 2 against the referenced PSK and then, where the
// configuration allows it and the reference was another, against the Sentinel.
// It may be called once. Errors: ErrAuth, ErrDH, ErrLength, ErrPayload; each ends
// the connection silently.
func (i *Initiator) Finish(msg2 []byte) (*Result, error) {
	if i.state == nil {
		return nil, ErrDead
	}
	defer func() { i.state, i.curve = nil, nil }() // drops the ephemeral key

	// The payload is fixed, so the length is: a wrong one costs no DH.
	if len(msg2) != message2Length {
		return nil, ErrLength
	}
	res, err := i.verify(msg2, i.cred.PSK)
	if err == nil {
		res.Matched = i.cred.Category
		return res, nil
	}
	if !errors.Is(err, ErrAuth) || !i.cfg.SentinelFallback || i.cred.Category == Sentinel {
		return nil, err
	}
	if res, err = i.verify(msg2, SentinelPSK()); err != nil {
		return nil, err
	}
	res.Matched, res.Mismatch = Sentinel, true
	return res, nil
}

// verify reads message 2 with one PSK. flynn/noise rolls back after an
// authentication failure, and only then may the same bytes be tried again.
func (i *Initiator) verify(msg2 []byte, psk PSK) (*Result, error) {
	if err := i.state.SetPresharedKey(psk.b()[:]); err != nil {
		return nil, err
	}
	payload, send, recv, err := i.state.ReadMessage(nil, msg2)
	if err != nil {
		return nil, i.curve.classifyRead(err)
	}
	if string(payload) != message2Payload {
		return nil, ErrPayload
	}
	return newResult(i.cfg.Suite, i.state, send, recv)
}

// Lookup finds the PSK with this id among those of one category. ok=false is a
// miss: the handshake goes on with the Sentinel where that is allowed. An error
// (the PSK is bound to another server_id, say) fails the handshake. Lookup is not
// asked for the Sentinel.
type Lookup func(pskID string, cat Category) (psk PSK, ok bool, err error)

// Respond is the client's side: it reads Noise message 1, chooses the PSK and
// returns Noise message 2 with the finished handshake. Errors: ErrAuth, ErrDH,
// ErrLength, ErrPayload, ErrNoPSK, or lookup's; each ends the connection silently.
func Respond(cfg Config, lookup Lookup, msg1 []byte) ([]byte, *Result, error) {
	if len(msg1) > MaxMessage || len(msg1) < 32+Overhead {
		return nil, nil, ErrLength
	}
	state, curve, err := newState(cfg, false)
	if err != nil {
		return nil, nil, err
	}
	payload, _, _, err := state.ReadMessage(nil, msg1)
	if err != nil {
		return nil, nil, curve.classifyRead(err)
	}
	pskID, cat, err := decodePayload1(payload)
	if err != nil {
		return nil, nil, err
	}
	psk, matched, miss, err := choose(pskID, cat, cfg.SentinelFallback, lookup)
	if err != nil {
		return nil, nil, err
	}
	// The PSK must be set before writing: a refused write has changed the state already.
	if err := state.SetPresharedKey(psk.b()[:]); err != nil {
		return nil, nil, err
	}
	msg2, recv, send, err := state.WriteMessage(nil, []byte(message2Payload))
	if err != nil {
		return nil, nil, curve.classifyWrite("message 2", err)
	}
	res, err := newResult(cfg.Suite, state, send, recv)
	if err != nil {
		return nil, nil, err
	}
	res.Matched, res.Mismatch = matched, miss
	return msg2, res, nil
}

// choose maps the reference in message 1 to a PSK (specification: "Pre-Shared
// Key", "Sentinel Fallback").
func choose(pskID string, cat Category, fallback bool, lookup Lookup) (psk PSK, matched Category, miss bool, err error) {
	if cat == Sentinel {
		if pskID == sentinelPSKID {
			return SentinelPSK(), Sentinel, false, nil
		}
	} else if lookup != nil {
		psk, ok, err := lookup(pskID, cat)
		if err != nil {
			return PSK{}, "", false, fmt.Errorf("noise: look up pre-shared key: %w", err)
		}
		if ok {
			if psk.ID() != pskID { // a broken lookup must not end as a mismatch signal
				return PSK{}, "", false, errors.New("noise: lookup returned another pre-shared key")
			}
			return psk, cat, false, nil
		}
	}
	if !fallback {
		return PSK{}, "", false, ErrNoPSK
	}
	return SentinelPSK(), Sentinel, true, nil
}

// newState sets up flynn/noise without a PSK: psk2 needs it only in message 2.
func newState(cfg Config, initiator bool) (*flynn.HandshakeState, *curve, error) {
	if !cfg.Suite.Valid() {
		return nil, nil, fmt.Errorf("noise: unknown suite %q", string(cfg.Suite))
	}
	if cfg.Static == nil {
		return nil, nil, errors.New("noise: no identity key")
	}
	c := &curve{static: cfg.Static.key()}
	cipher := flynn.CipherAESGCM
	if cfg.Suite == ChaChaPoly {
		cipher = flynn.CipherChaChaPoly
	}
	state, err := flynn.NewHandshakeState(flynn.Config{
		CipherSuite:           flynn.NewCipherSuite(c, cipher, flynn.HashSHA256),
		Random:                cfg.Rand,
		Pattern:               flynn.HandshakeKK,
		Initiator:             initiator,
		Prologue:              cfg.Prologue,
		PresharedKeyPlacement: 2,
		StaticKeypair:         flynn.DHKey{Private: []byte(handleStatic), Public: cfg.Static.pub[:]},
		PeerStatic:            cfg.Peer[:],
	})
	if err != nil {
		return nil, nil, fmt.Errorf("noise: start handshake: %w", err)
	}
	return state, c, nil
}

// newResult copies what outlives the handshake. (ChannelBinding is the library's
// own slice.)
func newResult(suite Suite, state *flynn.HandshakeState, send, recv *flynn.CipherState) (*Result, error) {
	session, err := newSession(suite, send, recv)
	if err != nil {
		return nil, fmt.Errorf("noise: start session: %w", err)
	}
	res := &Result{Session: session}
	copy(res.Hash[:], state.ChannelBinding())
	return res, nil
}

// classifyRead maps the library's untyped errors: after a failed DH nothing may be
// retried; what remains once lengths were checked is a failed authentication.
func (c *curve) classifyRead(err error) error {
	switch {
	case c.failed:
		return ErrDH
	case errors.Is(err, flynn.ErrShortMessage):
		return ErrLength
	default:
		return ErrAuth
	}
}

// classifyWrite keeps a failed DH (the peer's key) apart from failures of our own,
// such as the random source.
func (c *curve) classifyWrite(what string, err error) error {
	if c.failed {
		err = ErrDH
	}
	return fmt.Errorf("noise: write %s: %w", what, err)
}

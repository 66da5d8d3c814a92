package pairing

import (
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing/cpace"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Session is what an attempt has to know of its connection.
type Session struct {
	// Hash is the Noise handshake hash h of the current keys.
	Hash [32]byte
	// Suite is the connection's cipher suite.
	Suite noise.Suite
	// Matched is the category of the PSK that keys the connection.
	Matched noise.Category
	// Index is the pairing index: the number of server/activate messages with the
	// pairing activity since the last Noise handshake, this attempt's included, and
	// also those that the client refused. It starts at 1.
	Index uint32
}

func (s Session) check() error {
	if !s.Suite.Valid() {
		return fmt.Errorf("pairing: %q is not a cipher suite", string(s.Suite))
	}
	if s.Index == 0 {
		return errors.New("pairing: the pairing index counts from 1")
	}
	return nil
}

// permits reports whether a method may run on the session with a client that makes
// these offers: pairing_psk goes with the pairing PSK and with nothing else, the code
// methods need the Sentinel (section server/activate).
func (s Session) permits(method, format string, offers wire.PairMethods) bool {
	need := noise.Sentinel
	if method == wire.MethodPSK {
		need = noise.Pairing
	}
	return s.Matched == need && offers.Offers(method, format)
}

// round is the CPace run of one round and what is sealed under it.
type round struct {
	suite noise.Suite
	sid   []byte
	ex    *cpace.Exchange
	keys  *cpace.Keys
}

// start draws a scalar and returns this side's share. The server is the initiator.
func (r *round) start(role cpace.Role, s Session, n uint32, code Code, random io.Reader) ([]byte, error) {
	r.wipe()
	r.suite, r.sid = s.Suite, Current().SID(s.Hash, s.Index, n)
	ex, err := cpace.Start(role, cpace.Input{
		PRS: code.prs(), SID: r.sid, ADa: []byte(associatedA), ADb: []byte(associatedB),
	}, random)
	if err != nil {
		return nil, fmt.Errorf("pairing: %w", err)
	}
	r.ex = ex
	return ex.Share(), nil
}

// finish takes the peer's share and returns this side's tag. It fails with ErrShare.
func (r *round) finish(peer []byte) ([]byte, error) {
	keys, err := r.ex.Finish(peer)
	if err != nil {
		return nil, ErrShare
	}
	r.keys = keys
	return keys.Tag(), nil
}

func (r *round) verify(tag []byte) bool { return r.keys.Verify(tag) }

func (r *round) wrap(label string, value [32]byte) ([]byte, error) {
	isk := r.keys.ISK()
	defer clear(isk)
	return Wrap(r.suite, label, r.sid, isk, value)
}

func (r *round) unwrap(label string, wrapped []byte) ([32]byte, error) {
	isk := r.keys.ISK()
	defer clear(isk)
	return Unwrap(r.suite, label, r.sid, isk, wrapped)
}

// wipe overwrites what the round holds.
func (r *round) wipe() {
	if r.ex != nil {
		r.ex.Wipe()
	}
	r.keys.Wipe()
	r.ex, r.keys = nil, nil
}

package cpace

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
)

// Sizes in bytes.
const (
	// ShareLen is the length of a public share, Ya or Yb.
	ShareLen = 32
	// TagLen is the length of a confirmation tag, Ta or Tb.
	TagLen = 64
	// ISKLen is the length of the intermediate session key.
	ISKLen = 64
)

// Errors of this package. They carry nothing secret.
var (
	// ErrShare is for a peer's share of the wrong length or of low order.
	ErrShare = errors.New("cpace: the peer's share is not a usable point")
	// ErrUsed is for a second Finish on one exchange: scalars are for one use.
	ErrUsed = errors.New("cpace: the exchange is finished or wiped")
)

// A Role says which side of the exchange this party is.
type Role int

// The two roles. The initiator is the draft's A, the responder its B.
const (
	Initiator Role = iota + 1
	Responder
)

// Input is what the two parties must agree on.
type Input struct {
	// PRS is the password, as bytes. Start does not keep it.
	PRS []byte
	// CI names the channel; it may be empty.
	CI []byte
	// SID is unique to the run.
	SID []byte
	// ADa and ADb are the associated data of the two roles. They must differ, so
	// that a tag of one role is never a tag of the other.
	ADa, ADb []byte
}

// An Exchange is one party's side of one run, before the peer's share is known. It
// is not safe for concurrent use, and neither prints nor copies its secrets.
type Exchange struct {
	role     Role
	sid      []byte
	ada, adb []byte
	scalar   [32]byte
	share    [ShareLen]byte
	used     bool
}

// Start computes the generator and this party's share from a fresh scalar, which is
// drawn from random (nil: crypto/rand). It fails only when random does.
func Start(role Role, in Input, random io.Reader) (*Exchange, error) {
	if random == nil {
		random = rand.Reader
	}
	e := &Exchange{role: role, sid: clone(in.SID), ada: clone(in.ADa), adb: clone(in.ADb)}
	if _, err := io.ReadFull(random, e.scalar[:]); err != nil {
		return nil, fmt.Errorf("cpace: draw scalar: %w", err)
	}
	g := generator(in.PRS, in.CI, in.SID)
	defer clear(g[:])
	share, err := x25519(e.scalar[:], g[:])
	if err != nil {
		// A password that maps to a point of low order; nobody will find one.
		e.Wipe()
		return nil, fmt.Errorf("cpace: generator: %w", err)
	}
	copy(e.share[:], share)
	return e, nil
}

// Share is this party's public share, Ya or Yb.
func (e *Exchange) Share() []byte { return clone(e.share[:]) }

// Finish takes the peer's share and derives the keys. The exchange is of no use
// afterwards, whatever the result. It fails with ErrShare or ErrUsed.
func (e *Exchange) Finish(peer []byte) (*Keys, error) {
	if e.used {
		return nil, ErrUsed
	}
	defer e.Wipe()
	if len(peer) != ShareLen {
		return nil, fmt.Errorf("%w: %d bytes", ErrShare, len(peer))
	}
	k, err := x25519(e.scalar[:], peer)
	if err != nil {
		return nil, err
	}
	defer clear(k)
	ya, yb := e.share[:], peer
	if e.role == Responder {
		ya, yb = peer, e.share[:]
	}
	a, b := appendLV(nil, ya, e.ada), appendLV(nil, yb, e.adb)
	return deriveKeys(e.role, e.sid, k, a, b), nil
}

// Wipe overwrites the scalar. It may be called more than once.
func (e *Exchange) Wipe() {
	e.used = true
	clear(e.scalar[:])
}

// Format implements fmt.Formatter and shows nothing of the secret.
func (e *Exchange) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "(cpace exchange)") }

// Keys are the outcome of an exchange. They are not safe for concurrent use, and do
// not print.
type Keys struct {
	isk       [ISKLen]byte
	own, peer [TagLen]byte
	live      bool
}

// deriveKeys computes ISK and both tags; a and b are the two halves of the
// transcript.
func deriveKeys(role Role, sid, k, a, b []byte) *Keys {
	pre := appendLV(make([]byte, 0, 256), []byte(dsiISK), sid, k)
	pre = append(append(pre, a...), b...)
	defer clear(pre)
	keys := &Keys{isk: sha512.Sum512(pre), live: true}
	h := sha512.New()
	h.Write([]byte(dsiMAC))
	h.Write(sid)
	h.Write(keys.isk[:])
	mac := h.Sum(nil)
	defer clear(mac)
	tag(keys.own[:0], mac, a)
	tag(keys.peer[:0], mac, b)
	if role == Responder {
		keys.own, keys.peer = keys.peer, keys.own
	}
	return keys
}

func tag(dst, key, msg []byte) {
	m := hmac.New(sha512.New, key)
	m.Write(msg)
	m.Sum(dst)
}

// Tag is this party's confirmation tag, Ta of the initiator or Tb of the responder.
func (k *Keys) Tag() []byte { return clone(k.own[:]) }

// Verify reports whether tag is the peer's confirmation tag. It compares in constant
// time. Wiped keys verify nothing.
func (k *Keys) Verify(tag []byte) bool {
	return k.live && hmac.Equal(tag, k.peer[:])
}

// ISK is a copy of the intermediate session key. Wipe it when done.
func (k *Keys) ISK() []byte { return clone(k.isk[:]) }

// Wipe overwrites the keys. It may be called more than once, and on nil.
func (k *Keys) Wipe() {
	if k != nil {
		*k = Keys{}
	}
}

// Format implements fmt.Formatter and shows nothing of the secret.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "(cpace keys)") }

// x25519 is the function of RFC 7748. Of what crypto/ecdh refuses, only an all-zero
// result can come up here: every low-order u-coordinate, in all its encodings, gives
// one.
func x25519(scalar, u []byte) ([]byte, error) {
	priv, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		return nil, fmt.Errorf("cpace: scalar: %w", err)
	}
	pub, err := ecdh.X25519().NewPublicKey(u)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrShare, err)
	}
	out, err := priv.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: it has a low order", ErrShare)
	}
	return out, nil
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

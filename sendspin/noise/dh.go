package noise

import (
	"crypto/ecdh"
	"io"

	flynn "github.com/flynn/noise"
)

// curve is the DHFunc of one handshake. flynn/noise passes private keys around as
// byte slices and would parse them for each operation; here it gets handles
// instead, and the parsed keys stay with us. That halves the cost of a handshake
// and keeps private keys out of the library's memory.
//
// It also remembers whether an operation failed: the library does not roll back
// after a DH error, so such a message must not be tried again with another PSK,
// and the library's errors do not tell the two cases apart.
type curve struct {
	static    *ecdh.PrivateKey
	ephemeral *ecdh.PrivateKey
	failed    bool
}

// Handles stand for private keys inside flynn/noise.
const (
	handleStatic    = "s"
	handleEphemeral = "e"
)

// GenerateKeypair implements flynn's DHFunc: it draws the ephemeral key.
func (c *curve) GenerateKeypair(random io.Reader) (flynn.DHKey, error) {
	var b [32]byte
	defer clear(b[:])
	if err := draw(random, b[:]); err != nil {
		return flynn.DHKey{}, err
	}
	key, err := ecdh.X25519().NewPrivateKey(b[:])
	if err != nil {
		return flynn.DHKey{}, err
	}
	c.ephemeral = key
	return flynn.DHKey{Private: []byte(handleEphemeral), Public: key.PublicKey().Bytes()}, nil
}

// DH implements flynn's DHFunc; private is one of the handles.
func (c *curve) DH(private, public []byte) ([]byte, error) {
	key := c.static
	if string(private) == handleEphemeral {
		key = c.ephemeral
	}
	pub, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		c.failed = true
		return nil, ErrDH
	}
	shared, err := key.ECDH(pub) // refuses the all-zero result of low-order points
	if err != nil {
		c.failed = true
		return nil, ErrDH
	}
	return shared, nil
}

// DHLen implements flynn's DHFunc.
func (*curve) DHLen() int { return 32 }

// DHName implements flynn's DHFunc.
func (*curve) DHName() string { return "25519" }

package api

import (
	"crypto/ecdh"
	"crypto/rand"

	"golang.org/x/crypto/nacl/box"

	"github.com/tutti-audio/tutti/platform/fault"
)

// seal closes a secret up for the pairing service: what leaves this process can be
// opened by an instance of it alone. Nobody else on the bus, and no trace of a
// request, learns a code or a token.
func (a *API) seal(secret string) ([]byte, error) {
	key := a.d.Projection.Snapshot().Settings.GetSealingKey()
	if len(key) == 0 {
		return nil, fault.New(fault.Unavailable,
			"the pairing service has not yet told the key to which secrets are sealed, so that nothing secret can be sent to it; is it running? try again in a moment")
	}
	if err := checkSealingKey(key); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the pairing service's sealing key cannot be used")
	}
	out, err := box.SealAnonymous(nil, []byte(secret), (*[32]byte)(key), rand.Reader)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "seal a secret")
	}
	return out, nil
}

// checkSealingKey refuses a key of another length, and one of low order: what is
// sealed to such a key, anybody can open.
func checkSealingKey(key []byte) error {
	pub, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		return err
	}
	probe, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	_, err = probe.ECDH(pub)
	return err
}

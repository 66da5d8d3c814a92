package secret

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/box"
)

// SealTo seals plain to a process's X25519 key (NaCl anonymous box), so that it
// can cross the bus. A key that would make the box readable by anyone (wrong
// length, low order) is refused.
func SealTo(recipient, plain []byte) ([]byte, error) {
	if err := checkRecipient(recipient); err != nil {
		return nil, err
	}
	out, err := box.SealAnonymous(nil, plain, (*[32]byte)(recipient), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("seal to the requester: %w", err)
	}
	return out, nil
}

func checkRecipient(key []byte) error {
	pub, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		return errors.New("recipient_key must be an X25519 public key of 32 bytes")
	}
	probe, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("check recipient_key: %w", err)
	}
	if _, err := probe.ECDH(pub); err != nil {
		return errors.New("recipient_key is a point of low order")
	}
	return nil
}

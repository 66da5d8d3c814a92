package roster

import (
	"bytes"
	"compress/flate"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	prefix     = "TR1."
	rosterSeal = "tutti-roster-v1\x00"
	linkSeal   = "tutti-roster-key-v1\x00"
)

// Sign makes the text of r. key is the private half of r.Key.
func Sign(r Roster, key ed25519.PrivateKey) (string, error) {
	if len(key) != ed25519.PrivateKeySize || [ed25519.PublicKeySize]byte(key.Public().(ed25519.PublicKey)) != r.Key {
		return "", errors.New("sign a roster: the private key is not the persona's")
	}
	if err := r.check(); err != nil {
		return "", fmt.Errorf("sign a roster: %w", err)
	}
	body := r.unsigned()
	body = append(body, ed25519.Sign(key, append([]byte(rosterSeal), body...))...)
	return pack(body)
}

// Rotated is r with a new key, proven by a link that the old one signs. Of more
// links than fit the oldest is left out.
func (r Roster) Rotated(old ed25519.PrivateKey, next ed25519.PublicKey) (Roster, error) {
	if len(old) != ed25519.PrivateKeySize || [ed25519.PublicKeySize]byte(old.Public().(ed25519.PublicKey)) != r.Key {
		return r, errors.New("rotate a persona's key: the private key is not the persona's")
	}
	if len(next) != ed25519.PublicKeySize || bytes.Equal(next, r.Key[:]) {
		return r, errors.New("rotate a persona's key: the next key is none, or the same")
	}
	link := Link{Key: r.Key, Signature: [ed25519.SignatureSize]byte(ed25519.Sign(old, linked(r.ID, r.Key[:], next)))}
	links := append(append([]Link{}, r.Links...), link)
	r.Links = links[max(0, len(links)-MaxLinks):]
	r.Key = [ed25519.PublicKeySize]byte(next)
	return r, nil
}

// linked is what the former key signs.
func linked(id ID, former, next []byte) []byte {
	out := append([]byte(linkSeal), id[:]...)
	return append(append(out, former...), next...)
}

// unsigned is the body up to the signature.
func (r *Roster) unsigned() []byte {
	b := append([]byte{byte(r.Kind)}, r.ID[:]...)
	b = append(b, r.Key[:]...)
	b = binary.AppendUvarint(b, r.Seq)
	b = binary.AppendUvarint(b, uint64(r.Time.Unix()))
	b = append(append(b, byte(len(r.Name))), r.Name...)
	b = append(b, byte(len(r.Devices)), byte(r.Active))
	for _, d := range r.Devices {
		b = append(b, d[:]...)
	}
	b = append(b, byte(len(r.Links)))
	for _, l := range r.Links {
		b = append(append(b, l.Key[:]...), l.Signature[:]...)
	}
	return b
}

func pack(body []byte) (string, error) {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		return "", fmt.Errorf("deflate a roster: %w", err)
	}
	if _, err = w.Write(body); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("deflate a roster: %w", err)
	}
	text := prefix + base64.RawURLEncoding.EncodeToString(buf.Bytes())
	if len(text) > MaxText { // the limits rule it out; a test walks them
		return "", fmt.Errorf("sign a roster: %d bytes are more than %d", len(text), MaxText)
	}
	return text, nil
}

package roster

import (
	"bytes"
	"compress/flate"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxBody bounds what a text may inflate to, far below what a decompression bomb of
// MaxText bytes would.
const maxBody = 1024

// Parse reads a roster and verifies its signature and its links. That proves only
// that it is of one piece: whether it may be believed is [Pin.Accept]'s to say.
// Errors are ErrFormat and ErrSignature.
func Parse(text string) (Roster, error) {
	body, err := unpack(text)
	if err != nil {
		return Roster{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	r, err := decode(body)
	if err != nil {
		return Roster{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := r.verify(body); err != nil {
		return Roster{}, err
	}
	return r, nil
}

func unpack(text string) ([]byte, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("longer than %d bytes", MaxText)
	}
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return nil, fmt.Errorf("does not begin with %q", prefix)
	}
	if strings.ContainsAny(rest, "\r\n") { // base64 of Go ignores them
		return nil, fmt.Errorf("holds a line break")
	}
	deflated, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return nil, fmt.Errorf("no base64url")
	}
	in := bytes.NewReader(deflated)
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("inflate: %w", err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("inflates to more than %d bytes", maxBody)
	case in.Len() > 0:
		return nil, fmt.Errorf("bytes follow the end")
	}
	return body, nil
}

// reader takes a body apart; the first shortage is kept.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || len(r.b) < n {
		r.err = fmt.Errorf("cut off")
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = fmt.Errorf("cut off")
		return 0
	}
	r.take(n)
	return v
}

// decode reads a body that encodes to the same bytes again.
func decode(body []byte) (Roster, error) {
	in := &reader{b: body}
	r := Roster{Kind: Kind(in.byte()), ID: ID(in.take(len(ID{}))), Key: [ed25519.PublicKeySize]byte(in.take(ed25519.PublicKeySize))}
	r.Seq = in.uvarint()
	r.Time = time.Unix(int64(min(in.uvarint(), maxTime+1)), 0).UTC()
	r.Name = string(in.take(int(in.byte())))
	devices := int(in.byte())
	r.Active = int(in.byte())
	for range min(devices, MaxDevices+1) {
		r.Devices = append(r.Devices, Device(in.take(keySize)))
	}
	for range min(int(in.byte()), MaxLinks+1) {
		r.Links = append(r.Links, Link{Key: [ed25519.PublicKeySize]byte(in.take(ed25519.PublicKeySize)),
			Signature: [ed25519.SignatureSize]byte(in.take(ed25519.SignatureSize))})
	}
	in.take(ed25519.SignatureSize)
	if in.err != nil {
		return Roster{}, in.err
	}
	if err := r.check(); err != nil {
		return Roster{}, err
	}
	if want := r.unsigned(); len(in.b) > 0 || !bytes.Equal(want, body[:len(body)-ed25519.SignatureSize]) {
		return Roster{}, fmt.Errorf("not in its one form")
	}
	return r, nil
}

// verify checks the signature of a body and the links.
func (r *Roster) verify(body []byte) error {
	cut := len(body) - ed25519.SignatureSize
	if !ed25519.Verify(r.Key[:], append([]byte(rosterSeal), body[:cut]...), body[cut:]) {
		return ErrSignature
	}
	for i, l := range r.Links {
		next := r.Key
		if i+1 < len(r.Links) {
			next = r.Links[i+1].Key
		}
		if !ed25519.Verify(l.Key[:], linked(r.ID, l.Key[:], next[:]), l.Signature[:]) {
			return fmt.Errorf("link %d: %w", i+1, ErrSignature)
		}
	}
	return nil
}

package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
	"sync/atomic"

	flynn "github.com/flynn/noise"
	"golang.org/x/crypto/chacha20poly1305"
)

// A Session is the transport state after a handshake, one AEAD and counter per
// direction. One goroutine may Seal while another one Opens. Neither allocates
// when dst has room.
type Session struct {
	send, recv half
	dead       atomic.Bool
}

// half is one direction. The nonce lives here, on the heap already, because it
// escapes through the AEAD interface and would be allocated for each message.
type half struct {
	aead  cipher.AEAD
	n     uint64
	order binary.ByteOrder
	nonce [12]byte
}

// newSession takes over the keys of the two cipher states of a finished handshake.
func newSession(suite Suite, send, recv *flynn.CipherState) (*Session, error) {
	s := &Session{}
	if err := s.send.init(suite, send); err != nil {
		return nil, err
	}
	if err := s.recv.init(suite, recv); err != nil {
		return nil, err
	}
	return s, nil
}

func (h *half) init(suite Suite, state *flynn.CipherState) error {
	key := state.UnsafeKey()
	defer clear(key[:])
	if suite == ChaChaPoly {
		aead, err := chacha20poly1305.New(key[:])
		h.aead, h.order = aead, binary.LittleEndian
		return err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return err
	}
	h.aead, err = cipher.NewGCM(block)
	h.order = binary.BigEndian
	return err
}

// next puts the counter into the nonce: 4 zero bytes, then n in the cipher's byte order.
func (h *half) next() ([]byte, error) {
	if h.n == math.MaxUint64 { // reserved by Noise
		return nil, ErrExhausted
	}
	h.order.PutUint64(h.nonce[4:], h.n)
	return h.nonce[:], nil
}

// Seal appends the transport message for plaintext (at most MaxPlaintext bytes)
// to dst. plaintext is only read, and must not overlap dst unless it is dst's
// unused part itself. Errors: ErrLength, ErrExhausted, ErrDead; a failed Seal
// sends nothing and uses no nonce.
func (s *Session) Seal(dst, plaintext []byte) ([]byte, error) {
	if s.dead.Load() {
		return nil, ErrDead
	}
	if len(plaintext) > MaxPlaintext {
		return nil, ErrLength
	}
	nonce, err := s.send.next()
	if err != nil {
		return nil, err
	}
	out := s.send.aead.Seal(dst, nonce, plaintext, nil)
	s.send.n++
	return out, nil
}

// Open appends the plaintext of one transport message to dst; dst may be
// message[:0] to open in place. Any failure (ErrAuth, ErrLength, ErrExhausted)
// kills the session for good, in both directions: the connection must be closed.
func (s *Session) Open(dst, message []byte) ([]byte, error) {
	if s.dead.Load() {
		return nil, ErrDead
	}
	out, err := s.open(dst, message)
	if err != nil {
		s.Kill()
		return nil, err
	}
	return out, nil
}

func (s *Session) open(dst, message []byte) ([]byte, error) {
	if len(message) > MaxMessage || len(message) < Overhead {
		return nil, ErrLength
	}
	nonce, err := s.recv.next()
	if err != nil {
		return nil, err
	}
	out, err := s.recv.aead.Open(dst, nonce, message, nil)
	if err != nil {
		return nil, ErrAuth
	}
	s.recv.n++
	return out, nil
}

// Kill makes every later Seal and Open fail with ErrDead. Safe from any goroutine.
func (s *Session) Kill() { s.dead.Store(true) }

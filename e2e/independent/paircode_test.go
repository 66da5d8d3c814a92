package independent

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

func sha(parts ...[]byte) []byte {
	s := sha256.Sum256(slices.Concat(parts...))
	return s[:]
}

// commitment is commit_B.
func commitment(nonceB []byte) []byte { return sha([]byte("sendspin-pair-commit-v1"), nonceB) }

// derive is the dynamic pairing code as CPace takes it (PRS) and as the device shows
// it: six digits, or a token of version 1.
func derive(format string, h, nonceA, nonceB []byte) (prs []byte, shown string) {
	digest := sha([]byte("sendspin-pairing-code-derive-v1"), h, nonceA, nonceB)
	if format == "qr_code" {
		return digest[:24], token('1', digest[:24])
	}
	n := new(big.Int).SetBytes(digest)
	digits := fmt.Sprintf("%06d", n.Mod(n, big.NewInt(1_000_000)).Int64())
	return []byte(digits), digits[:3] + "-" + digits[3:]
}

// pakeSID is the CPace session id of one round.
func pakeSID(h []byte, index, round uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(slices.Concat([]byte("sendspin-pair-pake-v1"), h), index), round)
}

const (
	labelPSK   = "sendspin-pair-psk-wrap-v1"
	labelNonce = "sendspin-pair-nonce-wrap-v1"
)

// wrap seals 32 bytes under a CPace output with the connection's AEAD.
func wrap(suite, label string, sid, isk, value []byte) []byte {
	key := sha([]byte(label), sid, isk)
	aead, err := chacha20poly1305.New(key)
	if suite == suiteAES {
		var block cipher.Block
		if block, err = aes.NewCipher(key); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		panic(err) // a key of 32 bytes is right for both
	}
	return aead.Seal(nil, make([]byte, 12), value, nil)
}

// token is a pairing token; untoken reads one as the specification's decoder does.
func token(version byte, payload []byte) string {
	body := strings.TrimRight(base32.StdEncoding.EncodeToString(payload), "=")
	return "SP:" + string(version) + strings.ReplaceAll(body, "2", "9")
}

func untoken(s string) (version byte, payload []byte, err error) {
	s = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "SP:")
	if s == "" {
		return 0, nil, errors.New("empty")
	}
	body := strings.ReplaceAll(s[1:], "9", "2")
	for len(body)%8 != 0 {
		body += "="
	}
	payload, err = base32.StdEncoding.DecodeString(body)
	if need := map[byte]int{'0': 64, '1': 24}[s[0]]; err == nil && (need == 0 || len(payload) < need) {
		err = fmt.Errorf("version %c with %d bytes", s[0], len(payload))
	}
	return s[0], payload, err
}

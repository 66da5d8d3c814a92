package persona

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
)

const (
	ageLabel = "tutti-age-identity-v1"
	// MaxRecipients bounds one export.
	MaxRecipients = 20
	// maxSealed is far above a roster sealed to that many recipients.
	maxSealed = 64 << 10
)

// KeyName is a persona's key in a form that two people can compare over the telephone:
// 20 hexadecimal digits of its SHA-256, in fours.
func KeyName(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	digits := hex.EncodeToString(sum[:10])
	var parts []string
	for i := 0; i < len(digits); i += 4 {
		parts = append(parts, digits[i:i+4])
	}
	return strings.Join(parts, "-")
}

// AgeIdentity is the server's age identity. It follows from the server's private key
// (HKDF-SHA-256), so that there is no further key to keep. The caller may wipe the
// bytes afterwards.
func AgeIdentity(serverPrivate []byte) (*age.X25519Identity, error) {
	raw, err := hkdf.Key(sha256.New, serverPrivate, nil, ageLabel, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the age identity: %w", err)
	}
	defer clear(raw)
	id, err := age.ParseX25519Identity(strings.ToUpper(bech32("age-secret-key-", raw)))
	if err != nil {
		return nil, fmt.Errorf("derive the age identity: %w", err)
	}
	return id, nil
}

// SealTo seals a roster to age recipients, as text (PEM armour). Invalid names the
// recipient that cannot be used.
func SealTo(text string, recipients []string) (string, error) {
	if len(recipients) > MaxRecipients {
		return "", fault.New(fault.OutOfRange, "a roster is sealed to at most %d recipients", MaxRecipients).WithField("recipients", "too many")
	}
	to := make([]age.Recipient, 0, len(recipients))
	for i, s := range recipients {
		parsed, err := age.ParseRecipients(strings.NewReader(s))
		if err != nil || len(parsed) != 1 {
			return "", fault.New(fault.OutOfRange, "recipient %d is no age recipient: it must look like age1…", i+1).
				WithField(fmt.Sprintf("recipients[%d]", i), "no age recipient")
		}
		to = append(to, parsed[0])
	}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to...)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = a.Close()
	}
	if err != nil {
		return "", fault.New(fault.OutOfRange, "the roster cannot be sealed to these recipients: %v", err).WithField("recipients", "cannot be used together")
	}
	return out.String(), nil
}

// Open gives the roster's text: text itself, or what is sealed in it to one of the
// identities. Surrounding white space does not matter.
func Open(text string, identities ...age.Identity) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, armor.Header) {
		return text, nil
	}
	if len(text) > maxSealed {
		return "", fault.New(fault.Invalid, "a sealed roster is at most %d bytes", maxSealed).WithField("roster", "too long")
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(text)), identities...)
	if err != nil {
		return "", fault.New(fault.Invalid, "the sealed roster does not open: it is sealed to others, or damaged; this server's recipient is shown by 'tutti personas recipient'").
			WithField("roster", "does not open")
	}
	plain, err := io.ReadAll(io.LimitReader(r, roster.MaxText+3))
	if err != nil {
		return "", fault.New(fault.Invalid, "the sealed roster is damaged").WithField("roster", "damaged")
	}
	return strings.TrimSpace(string(plain)), nil
}

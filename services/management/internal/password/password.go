// Package password keeps passwords: argon2id with the parameters that OWASP's Password
// Storage Cheat Sheet names, in PHC strings, and never more of them at once than the
// machine can bear.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"github.com/tutti-audio/tutti/platform/fault"
)

const (
	// MinLength is the least length in characters; MaxBytes the greatest in bytes.
	MinLength = 10
	MaxBytes  = 1024

	saltBytes = 16
	hashBytes = 32

	// workers bounds the memory (workers × Params.MemoryKiB) and the processors that
	// sign-in can take from the music; waiting bounds the queue before them.
	workers = 2
	waiting = 32
)

// Params are argon2id's cost.
type Params struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// Cost is what new hashes are made with: 19 MiB, two passes (OWASP, 2025). A stored hash
// with less is made anew when its owner next signs in.
var Cost = Params{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

// Hasher makes and checks hashes. Safe for concurrent use.
type Hasher struct {
	cost  Params
	slots chan struct{} // holds one value for each hash that is being worked on
	queue chan struct{} // and one for each that waits or is worked on
	decoy hash          // what a name that does not exist is checked against
}

// New makes a Hasher for new hashes of the given cost.
func New(cost Params) *Hasher {
	h := &Hasher{cost: cost, slots: make(chan struct{}, workers), queue: make(chan struct{}, workers+waiting)}
	h.decoy = hash{Params: cost, salt: make([]byte, saltBytes), key: make([]byte, hashBytes)}
	_, _ = rand.Read(h.decoy.key) // never fails (crypto/rand); no password has this hash
	return h
}

// Prepare checks a new password of the user with the given name and returns it in the
// form that is hashed: typed on another keyboard it is the same. Errors are
// fault.OutOfRange with the field location.
func Prepare(name, password, location string) (string, error) {
	bad := func(message string) error {
		return fault.New(fault.OutOfRange, "the password cannot be taken: it %s", message).WithField(location, message)
	}
	switch {
	case len(password) > MaxBytes:
		return "", bad("is longer than 1024 bytes")
	case !utf8.ValidString(password):
		return "", bad("is not UTF-8")
	case utf8.RuneCountInString(password) < MinLength:
		return "", bad("has fewer than 10 characters")
	}
	p, ok := normal(password)
	if !ok {
		return "", bad("holds a character that cannot be typed, such as a control character")
	}
	if precis.Nickname.Compare(p, name) {
		return "", bad("is the name")
	}
	return p, nil
}

// normal is the form of a password that is hashed (RFC 8265, OpaqueString).
func normal(password string) (string, bool) {
	p, err := precis.OpaqueString.String(password)
	return p, err == nil
}

// Hash returns the PHC string of a password that Prepare returned. Errors are
// fault.RateLimited when too many wait, and ctx's.
func (h *Hasher) Hash(ctx context.Context, prepared string) (string, error) {
	x := hash{Params: h.cost, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(x.salt) // never fails (crypto/rand)
	key, err := h.work(ctx, x, prepared)
	if err != nil {
		return "", err
	}
	x.key = key
	return x.String(), nil
}

// Rehash is Hash of a password that Verify found right: it was prepared when it was set.
func (h *Hasher) Rehash(ctx context.Context, password string) (string, error) {
	p, _ := normal(password)
	return h.Hash(ctx, p)
}

// Verify says whether password is that of phc, and whether phc should be made anew with
// the present cost. An empty or broken phc takes the same work and is never right, so
// that the time of the answer does not tell which names exist.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (right, stale bool, err error) {
	x, perr := parse(phc)
	if perr != nil {
		x = h.decoy
	}
	p, ok := normal(password)
	if len(password) > MaxBytes || !ok {
		p, ok = "", false
	}
	key, err := h.work(ctx, x, p)
	if err != nil {
		return false, false, err
	}
	right = subtle.ConstantTimeCompare(key, x.key) == 1 && perr == nil && ok
	return right, right && x.Params != h.cost, nil
}

// work computes one hash when it is its turn.
func (h *Hasher) work(ctx context.Context, x hash, password string) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, fault.New(fault.RateLimited, "too many sign in at this moment; try again in a few seconds").WithRetryAfter(2 * time.Second)
	}
	defer func() { <-h.queue }()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "too many sign in at this moment; try again in a few seconds")
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), x.salt, x.Passes, x.MemoryKiB, x.Lanes, hashBytes), nil
}

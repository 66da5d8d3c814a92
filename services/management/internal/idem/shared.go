package idem

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
)

const (
	// SharedTTL is how long the other instances remember an answer.
	SharedTTL = time.Hour
	// Abandoned is the age of a beginning after which its instance has died over it: no
	// request that takes a key lasts as long.
	Abandoned = 30 * time.Second
	// maxShared is the longest answer that is kept for other instances, in bytes.
	maxShared = 64 << 10
	// pollEvery is the pace at which a request looks whether another instance has finished.
	pollEvery = 150 * time.Millisecond
	// finishTimeout bounds the write of an answer.
	finishTimeout = 4 * time.Second
)

// Shared is what the instances of this service remember together: the answers lie in a
// bucket of the bus, each sealed with a key that only its caller's credential gives, so that
// nobody who reads the bus learns a secret from them. Safe for concurrent use.
type Shared struct {
	bucket   *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]
	house    houseclock.Clock
	clock    clockwork.Clock
	instance string
	log      *slog.Logger
}

// OpenShared opens the bucket. instance is this instance's id; house gives the age of what
// others began, clock the pace of waiting.
func OpenShared(ctx context.Context, c *bus.Conn, house houseclock.Clock, clock clockwork.Clock, instance string, log *slog.Logger) (*Shared, error) {
	b, err := bus.OpenBucket[wrapperspb.BytesValue](ctx, c, subject.BucketReplays, bus.BucketOptions{TTL: SharedTTL})
	if err != nil {
		return nil, fmt.Errorf("management: open bucket %s: %w", subject.BucketReplays, err)
	}
	return &Shared{bucket: b, house: house, clock: clock, instance: instance, log: log}, nil
}

// Ticket is the duty to say how a request ended. A nil Ticket has none.
type Ticket struct {
	shared *Shared
	lock   lock
	digest []byte
	rev    uint64
}

// record is what a request left: who began it and when (house clock, µs), and its answer.
type record struct {
	Instance string      `json:"instance"`
	AtUS     int64       `json:"at_us"`
	Digest   []byte      `json:"digest"`
	Status   int         `json:"status,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     []byte      `json:"body,omitempty"`
}

// lock is where the record of one request is and what opens it.
type lock struct {
	key  string
	mac  []byte
	aead cipher.AEAD
}

// newLock derives it from the caller's credential, a token or the secret of a session, which
// has at least 128 random bits. Nothing of it can be found out from what lies on the bus.
func newLock(credential string, k Key) (lock, error) {
	name, err := json.Marshal(k)
	if err != nil {
		return lock{}, err
	}
	keys, err := hkdf.Key(sha256.New, []byte(credential), nil, "tutti idempotency "+string(name), 3*32)
	if err != nil {
		return lock{}, err
	}
	block, err := aes.NewCipher(keys[64:])
	if err != nil {
		return lock{}, err
	}
	aead, err := cipher.NewGCM(block)
	return lock{key: hex.EncodeToString(keys[:32]), mac: keys[32:64], aead: aead}, err
}

func (l lock) digest(body []byte) []byte {
	mac := hmac.New(sha256.New, l.mac)
	mac.Write(body)
	return mac.Sum(nil)
}

func (l lock) seal(r record) (*wrapperspb.BytesValue, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, l.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return wrapperspb.Bytes(l.aead.Seal(nonce, nonce, plain, []byte(l.key))), nil
}

func (l lock) open(v *wrapperspb.BytesValue) (r record, err error) {
	sealed, n := v.GetValue(), l.aead.NonceSize()
	if len(sealed) < n {
		return r, fault.New(fault.Internal, "a record of %d bytes", len(sealed))
	}
	plain, err := l.aead.Open(nil, sealed[:n], sealed[n:], []byte(l.key))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(plain, &r)
}

// Begin asks what to do with a request of the holder of credential. A non-nil Answer is to be
// sent instead of doing it; else it is to be done, and the Ticket is to be finished. A request
// that another instance works on is waited for until ctx ends, which is fault.Conflict; one
// whose instance has died over it begins anew after Abandoned, since nobody knows how far it
// got. The same key with another body is fault.OutOfRange. Without a credential there is
// nothing to keep a record by, and no Ticket.
func (s *Shared) Begin(ctx context.Context, credential string, k Key, body []byte) (*Answer, *Ticket, error) {
	if credential == "" {
		return nil, nil, nil
	}
	l, err := newLock(credential, k)
	if err != nil {
		return nil, nil, fmt.Errorf("management: derive the key of an answer: %w", err)
	}
	t := &Ticket{shared: s, lock: l, digest: l.digest(body)}
	for {
		mine, err := l.seal(record{Instance: s.instance, AtUS: s.house.NowMicros(), Digest: t.digest})
		if err != nil {
			return nil, nil, fmt.Errorf("management: seal the beginning of a request: %w", err)
		}
		t.rev, err = s.bucket.Create(ctx, l.key, mine)
		if err == nil {
			return nil, t, nil
		}
		if fault.CodeOf(err) != fault.Conflict {
			return nil, nil, fault.Wrap(fault.CodeOf(err), err, "what this Idempotency-Key began cannot be looked up; nothing was started, try again")
		}
		a, again, err := s.follow(ctx, t, mine)
		if err != nil || a != nil {
			return a, nil, err
		}
		if !again {
			return nil, t, nil
		}
		select {
		case <-s.clock.After(pollEvery):
		case <-ctx.Done():
			return nil, nil, errUnderWay()
		}
	}
}

// follow decides about a request that has a record already. again says that it is to be
// looked at again a little later.
func (s *Shared) follow(ctx context.Context, t *Ticket, mine *wrapperspb.BytesValue) (a *Answer, again bool, err error) {
	v, rev, err := s.bucket.Get(ctx, t.lock.key)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return nil, true, nil // it failed or lapsed meanwhile: begin anew
	case ctx.Err() != nil:
		return nil, false, errUnderWay()
	case err != nil:
		return nil, false, err
	}
	r, err := t.lock.open(v)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("management: open the record of a request: %w", err)
	case subtle.ConstantTimeCompare(r.Digest, t.digest) == 0:
		return nil, false, errOtherBody()
	case r.Status != 0:
		return &Answer{Status: r.Status, Header: r.Header, Body: r.Body}, false, nil
	}
	// The memory of this process knows what it has under way; what it does not know is from
	// before its start. A house clock that began anew makes any age.
	age := time.Duration(s.house.NowMicros()-r.AtUS) * time.Microsecond
	if r.Instance != s.instance && age < Abandoned && age > -Abandoned {
		return nil, true, nil
	}
	t.rev, err = s.bucket.Update(ctx, t.lock.key, mine, rev)
	if fault.CodeOf(err) == fault.Conflict {
		return nil, true, nil // yet another one was faster
	}
	return nil, false, err
}

// Finish writes how the request ended; nil forgets it, so that it may be tried again. It ends
// before the caller has its answer whole, so that a later request finds it.
func (t *Ticket) Finish(ctx context.Context, a *Answer) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if a != nil && len(a.Body) > maxShared {
		a = nil
	}
	var err error
	if a == nil {
		err = t.shared.bucket.DeleteRev(ctx, t.lock.key, t.rev)
	} else {
		var v *wrapperspb.BytesValue
		v, err = t.lock.seal(record{Instance: t.shared.instance, AtUS: t.shared.house.NowMicros(), Digest: t.digest,
			Status: a.Status, Header: a.Header, Body: a.Body})
		if err == nil {
			_, err = t.shared.bucket.Update(ctx, t.lock.key, v, t.rev)
		}
	}
	if err != nil {
		t.shared.log.Warn("the answer to a request with an Idempotency-Key is not kept for the other instances", "err", err)
	}
}

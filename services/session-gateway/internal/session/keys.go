package session

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is the actor's side of keys: which PSK the next re-handshake uses, and
// when keys are rotated.

// The messages about keys.
type (
	rekeyTick  struct{}
	credential struct {
		cred noise.Credential
		same bool // the identity that the client is to see is the one it sees
	}
	rekeyed struct{ activate *wire.ServerActivate }
)

// rekeyRetry is when a rotation that found the session busy is tried again.
const rekeyRetry = time.Minute

// keyring holds the PSK that the next machine.Rekey uses.
type keyring struct {
	cred noise.Credential
	own  bool // opened for this re-handshake alone
}

// take empties the ring.
func (k *keyring) take() (cred noise.Credential, own bool) {
	cred, own = k.cred, k.own
	*k = keyring{}
	return cred, own
}

// drop empties the ring and wipes what nobody else has.
func (k *keyring) drop() {
	if cred, own := k.take(); own {
		cred.PSK.Wipe()
	}
}

// rekey puts a re-handshake in the control lane.
func (b *brain) rekey(e machine.Rekey) bool {
	cred, own := b.take()
	b.s.log.Info("re-handshake", "psk", e.Category)
	b.rekeys++
	return b.push(rekey{cred: cred, own: own, activate: e.Activate}) && b.after(rekeyed{e.Activate})
}

// rekeyed notes that the session runs under new keys: the next rotation is far.
func (b *brain) rekeyed(in rekeyed) {
	b.rekeys--
	b.activated(in.activate)
	b.rekeyIn(jittered(b.s.d.RekeyInterval))
}

// rekeyIn sets the time of the next rotation; 0: none.
func (b *brain) rekeyIn(d time.Duration) {
	if b.rekeyTimer != nil {
		b.rekeyTimer()
		b.rekeyTimer = nil
	}
	if d > 0 {
		b.rekeyTimer = b.later(d, rekeyTick{})
	}
}

// jittered takes up to a tenth off, so that sessions that began together do not rotate
// together.
func jittered(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - time.Duration(rand.Int64N(int64(d/10)))
}

// rotate begins a rotation of keys, unless something else is at them.
func (b *brain) rotate() {
	switch {
	case b.m.Attempt() != "" || b.rekeys > 0 || b.fetching:
		b.rekeyIn(min(rekeyRetry, b.s.d.RekeyInterval))
	case b.m.Category() == string(noise.LongTerm):
		b.fetch()
	case b.m.Category() == string(noise.Sentinel):
		// Nobody needs to be asked for a published constant.
		b.s.tellSoon(credential{cred: noise.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}, same: true})
	default:
		b.rekeyIn(b.s.d.RekeyInterval) // keyed for pairing: nobody here has that PSK any more
	}
}

// fetch asks pairing for the client's credential until it answers.
func (b *brain) fetch() {
	if b.fetching {
		return
	}
	b.fetching = true
	b.s.spawn(func(ctx context.Context) {
		const retryMin, retryMax = time.Second, time.Minute
		for wait := retryMin; ctx.Err() == nil; wait = min(2*wait, retryMax) {
			cred, as, err := b.s.d.Trust.Credential(ctx, b.s.ClientID)
			if err == nil {
				b.s.tell(ctx, credential{cred, as == nil || as.Public().ID() == b.s.o.Conn.LocalID()})
				return
			}
			b.s.log.Warn("pairing does not give the client's credential; the session keeps its keys", obs.KeyErr, err)
			b.s.pause(ctx, wait)
		}
	})
}

// credential re-handshakes with what pairing answered, where that goes with the session.
func (b *brain) credential(in credential, now int64) {
	b.fetching = false
	before := b.m.Handshakes()
	if in.same {
		b.keyring = keyring{cred: in.cred}
		b.do(b.m.Credential(string(in.cred.Category), in.cred.PSK.ID(), now))
		b.take()
	}
	if b.m.Handshakes() == before {
		b.rekeyIn(jittered(b.s.d.RekeyInterval))
	}
}

// openKey opens the PSK that a pairing command brings and puts it in the ring. It
// returns its psk_id; "" when the command brings none.
func (b *brain) openKey(cmd *tuttiv1.SessionCommand) (keyID string, err error) {
	category, sealed := pairingKey(cmd)
	switch {
	case len(sealed) > 0:
		psk, err := b.s.d.Trust.OpenPSK(sealed)
		if err != nil {
			return "", err
		}
		b.keyring = keyring{cred: noise.Credential{PSK: psk, Category: noise.Category(category)}, own: true}
	case category == string(noise.Sentinel):
		b.keyring = keyring{cred: noise.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}}
	default:
		return "", nil
	}
	return b.cred.PSK.ID(), nil
}

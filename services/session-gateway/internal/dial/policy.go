// Package dial keeps one connection to every device that discovery has seen: one
// actor per sighting, under a lease, so that of all gateways one dials. Whether and
// when it dials again is a pure policy on how the last connection ended.
//
// A sighting that disappears is a hint, never a reason to drop a live session.
package dial

import (
	"math/rand/v2"
	"time"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Waiting times of the policy.
const (
	// BackoffMin and BackoffMax bound the wait after failures in a row; it doubles.
	BackoffMin = time.Second
	BackoffMax = time.Minute
	// Stable is how long a session must have lived to forget failures before it.
	Stable = 30 * time.Second
	// later is when a client that prefers another server now is asked again.
	later = time.Minute
	// elsewhereWithin is how long the record of the session may take that took a
	// client away.
	elsewhereWithin = 2 * time.Second
	// room is when a gateway that was full looks again whether it has room.
	room = 2 * time.Second
	// absentTries is how often a device is tried that discovery does not see now.
	absentTries = 5
)

// Outcome is how one attempt to connect, or the session that came of it, ended.
type Outcome struct {
	// Err is set when no session came about.
	Err error
	// ClientID is who answered, when the attempt came that far.
	ClientID string
	// Full: this gateway takes no more sessions; nothing is known of the client.
	Full bool
	// AlreadyConnected: the client is connected another way; nothing is wrong.
	AlreadyConnected bool

	// Goodbye is the client's reason, "" when the session ended without one.
	Goodbye string
	// NoRedial: the operator, or a newer session, ended it.
	NoRedial bool
	// OnlyPairing: the activities were neither empty nor had 'playback'.
	OnlyPairing bool
	// Lived is how long the session was up.
	Lived time.Duration
}

// Verdict is what the policy makes of an Outcome.
type Verdict struct {
	// Delay is how long to wait before the next attempt.
	Delay time.Duration
	// Hold: no attempt by itself, until the sighting appears anew or an operator asks.
	Hold bool
	// Why names the rule, for the log.
	Why string
}

// Policy is the redial state of one sighting.
type Policy struct {
	failures int
	// Jitter returns a number in [0,1); nil means a random one.
	Jitter func() float64
}

// Fresh forgets what happened: the sighting appeared anew or an operator asked.
func (p *Policy) Fresh() { p.failures = 0 }

// Failures is the number of failures in a row.
func (p *Policy) Failures() int { return p.failures }

// After decides what follows an outcome (specification: client/goodbye). present
// says whether discovery sees the device now.
func (p *Policy) After(o Outcome, present bool) Verdict {
	if o.AlreadyConnected {
		p.failures = 0
		return Verdict{Delay: p.jitter(BackoffMin), Why: "already_connected"}
	}
	if o.Full {
		return Verdict{Delay: p.jitter(room), Why: "full"}
	}
	if o.Err != nil {
		p.failures++
		if !present && p.failures >= absentTries {
			return Verdict{Hold: true, Why: "not_seen"}
		}
		return Verdict{Delay: p.backoff(), Why: "failed"}
	}
	if o.Lived >= Stable {
		p.failures = 0
	}
	switch {
	case o.NoRedial:
		return Verdict{Hold: true, Why: "told_not_to"}
	case o.Goodbye == "" && o.OnlyPairing:
		return Verdict{Hold: true, Why: "pairing_ended"}
	case o.Goodbye == "" || o.Goodbye == wire.GoodbyeRestart:
		p.failures++
		return Verdict{Delay: p.backoff(), Why: "restart"}
	case o.Goodbye == wire.GoodbyeConcurrentAttempt:
		return Verdict{Delay: p.jitter(later), Why: o.Goodbye}
	}
	// another_server, shutdown, user_request, unauthorized, pairing_required,
	// unpaired, and reasons of the future: the client does not want us by itself.
	return Verdict{Hold: true, Why: o.Goodbye}
}

// backoff is 1, 2, 4 … 60 s with jitter.
func (p *Policy) backoff() time.Duration {
	d := BackoffMax
	if n := p.failures - 1; n < 6 {
		d = min(BackoffMin<<n, BackoffMax)
	}
	return p.jitter(d)
}

// jitter spreads d over 75 % to 125 %: devices that lost their server together
// are not dialled together.
func (p *Policy) jitter(d time.Duration) time.Duration {
	f := p.Jitter
	if f == nil {
		f = rand.Float64
	}
	return d*3/4 + time.Duration(f()*float64(d)/2)
}

package pairing

import (
	"strings"
	"unicode"

	"github.com/tutti-audio/tutti/sendspin/pairing/cpace"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Receive takes a message from the client. Messages other than the pairing ones have no
// effect.
func (f *ServerFlow) Receive(m wire.Message) []Effect {
	if !IsPairing(m) {
		return nil
	}
	if f.state == ServerEnded || f.state == ServerClosed {
		return discard(m) // was under way when the attempt ended
	}
	switch m := m.(type) {
	case *wire.ClientPairPending:
		return f.pending(m)
	case *wire.ClientPairInit:
		return f.start(m)
	case *wire.ClientPairAuth:
		return f.auth(m)
	case *wire.ClientPairRetry:
		return f.retry(m)
	case *wire.ClientPairConfirm:
		return f.confirm(m)
	case *wire.ClientPairFinalize:
		return f.finalize(m)
	case *wire.PairAbort:
		return f.aborted(m)
	}
	return f.fail(m, ErrSequence) // a server's message
}

// outOfSequence closes the connection, or drops what may be a leftover: before the
// client has answered the activation of this attempt, messages of an earlier one may
// arrive. The first activation after a handshake has no earlier one.
func (f *ServerFlow) outOfSequence(m wire.Message) []Effect {
	if f.state == ServerWaiting && f.cfg.Index > 1 {
		return discard(m)
	}
	return f.fail(m, ErrSequence)
}

// stale judges a pairing_index (section Messages, "Pairing index"). A nil result is a
// match.
func (f *ServerFlow) stale(m wire.Message, index uint32) []Effect {
	switch {
	case index < f.cfg.Index:
		return discard(m)
	case index > f.cfg.Index:
		return f.fail(m, ErrIndex)
	}
	return nil
}

// pending: the device holds the attempt back. It may say so again, with another
// message.
func (f *ServerFlow) pending(m *wire.ClientPairPending) []Effect {
	if stale := f.stale(m, m.PairingIndex); stale != nil {
		return stale
	}
	if f.state > ServerHeld || f.cfg.Method == wire.MethodPSK {
		return f.fail(m, ErrSequence)
	}
	f.state = ServerHeld
	return []Effect{Held{Message: plainText(m.Message)}}
}

// start: the attempt begins.
func (f *ServerFlow) start(m *wire.ClientPairInit) []Effect {
	if stale := f.stale(m, m.PairingIndex); stale != nil {
		return stale
	}
	if f.state > ServerHeld {
		return f.fail(m, ErrSequence)
	}
	if f.dynamic() && len(m.Commit) != len(f.commit) || !f.dynamic() && m.Commit != nil {
		return f.fail(m, ErrField)
	}
	switch f.cfg.Method {
	case wire.MethodPSK:
		f.state = ServerFinalizing
		return nil
	case wire.MethodDynamicCode:
		copy(f.commit[:], m.Commit)
		return f.beginRound(&wire.ServerPairInit{Nonce: append([]byte(nil), f.nonceA[:]...)})
	}
	if !f.code.IsZero() { // entered before
		return f.exchange()
	}
	return f.askCode()
}

// beginRound tells the client to emit the code.
func (f *ServerFlow) beginRound(m *wire.ServerPairInit) []Effect {
	return append([]Effect{Send{m}}, f.askCode()...)
}

func (f *ServerFlow) askCode() []Effect {
	f.state = ServerNeedsCode
	return []Effect{AskCode{Method: f.cfg.Method, Format: f.Activation().Format, Round: f.round}}
}

// auth: the client's share; the server confirms first.
func (f *ServerFlow) auth(m *wire.ClientPairAuth) []Effect {
	if f.state != ServerExchanging {
		return f.outOfSequence(m)
	}
	tag, err := f.pake.finish(m.PAKEMsg2)
	if err != nil {
		return f.fail(m, err)
	}
	f.state = ServerConfirming
	return []Effect{Send{&wire.ServerPairConfirm{ServerKC: tag}}}
}

// retry: the code was wrong, and the client admits another round.
func (f *ServerFlow) retry(m *wire.ClientPairRetry) []Effect {
	if f.state != ServerConfirming || !f.dynamic() {
		return f.outOfSequence(m)
	}
	f.pake.wipe()
	f.code.Wipe()
	f.code = Code{}
	f.round++
	return f.beginRound(&wire.ServerPairInit{})
}

// confirm checks what the client proves, in the order of sections Server verification:
// the tag, the opening of the commitment, the binding of the code.
func (f *ServerFlow) confirm(m *wire.ClientPairConfirm) []Effect {
	if f.state != ServerConfirming {
		return f.outOfSequence(m)
	}
	if len(m.ClientKC) != cpace.TagLen || f.dynamic() && len(m.WrappedNonce) != WrappedLen || !f.dynamic() && m.WrappedNonce != nil {
		return f.fail(m, ErrField)
	}
	if !f.pake.verify(m.ClientKC) {
		f.end(ServerEnded)
		return abort(wire.AbortCodeMismatch)
	}
	if f.dynamic() {
		if err := f.bound(m.WrappedNonce); err != nil {
			return f.fail(m, err)
		}
	}
	f.state = ServerFinalizing
	return nil
}

// finalize: the new long-term PSK.
func (f *ServerFlow) finalize(m *wire.ClientPairFinalize) []Effect {
	if f.state != ServerFinalizing {
		return f.outOfSequence(m)
	}
	psk, err := f.longTerm(m)
	if err != nil {
		return f.fail(m, err)
	}
	f.end(ServerStoring)
	return []Effect{Verified{PSK: psk}}
}

// aborted: the client ends the attempt. Two reasons can only stem from an attempt that
// had begun, so they are no answer to an activation.
func (f *ServerFlow) aborted(m *wire.PairAbort) []Effect {
	begun := m.Reason == wire.AbortAttemptTimeout || m.Reason == wire.AbortCodeMismatch
	if f.state == ServerSucceeded || f.state == ServerWaiting && f.cfg.Index > 1 && begun {
		return discard(m)
	}
	f.end(ServerEnded)
	return []Effect{Ended{Outcome: AbortedByPeer, Reason: m.Reason}}
}

// plainText makes a device's message fit to show: no characters that move a
// terminal's cursor or turn the text's direction, at most 200 of the others.
func plainText(s string) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case n == wire.MaxPendingMessage || unicode.In(r, unicode.Cf):
			return -1
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			r = ' '
		}
		n++
		return r
	}, s))
}

package pairing

import (
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing/cpace"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Receive takes a message from the server. Besides the pairing messages it wants every
// server/activate, which ends the attempt; others have no effect.
func (f *ClientFlow) Receive(m wire.Message) []Effect {
	if a, ok := m.(*wire.ServerActivate); ok {
		return f.activated(a)
	}
	if !IsPairing(m) {
		return nil
	}
	if f.state == ClientAborted || f.state == ClientClosed {
		return discard(m) // was under way when this client aborted
	}
	switch m := m.(type) {
	case *wire.ServerPairInit:
		return f.beginRound(m)
	case *wire.ServerPairAuth:
		return f.auth(m)
	case *wire.ServerPairConfirm:
		return f.confirm(m)
	case *wire.ServerPairFinalize:
		return f.finalize(m)
	case *wire.PairAbort:
		return f.aborted(m)
	}
	return f.fail(m, ErrSequence) // a client's message
}

// activated abandons the attempt. From here on no pairing message is due.
func (f *ClientFlow) activated(*wire.ServerActivate) []Effect {
	live := f.live()
	if f.state != ClientClosed {
		f.end(ClientEnded)
	}
	if !live {
		return nil
	}
	return []Effect{Ended{Outcome: Left}}
}

// beginRound derives the code in the first round, and emits it in every one.
func (f *ClientFlow) beginRound(m *wire.ServerPairInit) []Effect {
	if f.state != ClientOpening {
		return f.fail(m, ErrSequence)
	}
	if first := f.round == 1; first && len(m.Nonce) != len(f.nonceB) || !first && m.Nonce != nil {
		return f.fail(m, ErrField)
	}
	if f.round == 1 {
		nonceA := [32]byte(m.Nonce)
		if f.cfg.Format == wire.FormatQRCode {
			f.code = Current().QR(f.cfg.Hash, nonceA, f.nonceB)
		} else {
			f.code = Current().Digits(f.cfg.Hash, nonceA, f.nonceB, DigitsLen)
		}
	}
	f.cfg.Rounds.begin()
	f.state = ClientShowing
	return []Effect{ShowCode{Code: newCode(f.code.prs(), f.code.IsQR()), Round: f.round}}
}

// auth: the server has the code, says its share.
func (f *ClientFlow) auth(m *wire.ServerPairAuth) []Effect {
	if f.state != ClientShowing {
		return f.fail(m, ErrSequence)
	}
	code := f.code
	if !f.dynamic() {
		code = f.cfg.StaticCode
	}
	share, err := f.pake.start(cpace.Responder, f.cfg.Session, f.round, code, f.cfg.Rand)
	if err != nil {
		return f.broken(err)
	}
	if _, err := f.pake.finish(m.PAKEMsg1); err != nil {
		return f.fail(m, err)
	}
	f.state = ClientExchanging
	return []Effect{Send{&wire.ClientPairAuth{PAKEMsg2: share}}}
}

// confirm verifies the server's tag (sections Client verification). Only then does the
// client reveal its nonce and the new PSK.
func (f *ClientFlow) confirm(m *wire.ServerPairConfirm) []Effect {
	if f.state != ClientExchanging {
		return f.fail(m, ErrSequence)
	}
	if len(m.ServerKC) != cpace.TagLen {
		return f.fail(m, ErrField)
	}
	if !f.pake.verify(m.ServerKC) {
		return f.mismatch()
	}
	if f.dynamic() {
		f.cfg.Rounds.Reset()
	}
	if err := f.draw(); err != nil {
		return f.broken(err)
	}
	confirm, finalize, err := f.reveal()
	if err != nil {
		return f.broken(err)
	}
	f.state = ClientFinalizing
	return []Effect{Send{confirm}, Send{finalize}}
}

// mismatch: another code was entered than this client has, or somebody is in between.
func (f *ClientFlow) mismatch() []Effect {
	if f.dynamic() && !f.cfg.Rounds.Held() {
		f.pake.wipe()
		f.round++
		f.state = ClientOpening
		return []Effect{Send{&wire.ClientPairRetry{}}}
	}
	if !f.dynamic() {
		f.cfg.Window.fail(f.cfg.Conn)
	}
	return f.abort(wire.AbortCodeMismatch)
}

// reveal seals nonce and PSK under the outcome of the CPace run.
func (f *ClientFlow) reveal() (*wire.ClientPairConfirm, *wire.ClientPairFinalize, error) {
	confirm := &wire.ClientPairConfirm{ClientKC: f.pake.keys.Tag()}
	if f.dynamic() {
		sealed, err := f.pake.wrap(LabelNonce, f.nonceB)
		if err != nil {
			return nil, nil, err
		}
		confirm.WrappedNonce = sealed
	}
	secret := f.psk.Bytes()
	defer clear(secret)
	sealed, err := f.pake.wrap(LabelPSK, [32]byte(secret))
	if err != nil {
		return nil, nil, err
	}
	return confirm, &wire.ClientPairFinalize{WrappedPSK: sealed}, nil
}

// finalize: the server has stored its record.
func (f *ClientFlow) finalize(m *wire.ServerPairFinalize) []Effect {
	if f.state != ClientFinalizing {
		return f.fail(m, ErrSequence)
	}
	psk := f.psk
	f.psk = noise.PSK{} // now the driver's
	if f.cfg.Method == wire.MethodStaticCode {
		f.cfg.Window.complete()
	}
	f.end(ClientSucceeded)
	return []Effect{Paired{PSK: psk}, Ended{Outcome: Success}}
}

// aborted: the server ends the attempt. After the end, an abort has no effect.
func (f *ClientFlow) aborted(m *wire.PairAbort) []Effect {
	if !f.live() {
		return discard(m)
	}
	f.end(ClientEnded)
	return []Effect{Ended{Outcome: AbortedByPeer, Reason: m.Reason}}
}

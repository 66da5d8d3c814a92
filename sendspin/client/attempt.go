package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// attempt is what a session tells of the attempt of its flow.
type attempt struct {
	method, format string
	told           bool // PairingHeld or PairingStarted was told, PairingEnded is due
	started        bool // client/pair-init was sent
	speaks         bool // the code comes out of the player's own output
}

// rekeying reports whether a re-handshake is under way: the reader has the new keys,
// and the server/activate that comes with them is not here yet. Nothing may be sent.
func (s *session) rekeying() bool { return s.conn.HandshakeHash() != s.hash }

// rekeyed takes over the keys that a server/activate came with. It reports whether they
// are new ones.
func (s *session) rekeyed() bool {
	if !s.rekeying() {
		return false
	}
	k := s.core
	s.takeKeys()
	s.index, s.flow = 0, nil
	k.cfg.Log.Info("rekeyed", "server_id", s.serverID, "category", string(s.matched))
	s.proven()
	k.emit(Rekeyed{ServerID: s.serverID, Paired: paired(s.matched), Category: s.matched})
	k.capPaired(s)
	return true
}

// takeKeys notes what keys the session.
func (s *session) takeKeys() {
	s.hash, s.matched, s.pskID = s.conn.HandshakeHash(), s.conn.Matched(), s.handshakes.pskID
}

// attempting reports whether an attempt runs: from client/pair-init to its end.
func (s *session) attempting() bool { return s.attempt.started && s.attempt.told }

// startAttempt starts the attempt of a server/activate, or answers why there is none.
func (s *session) startAttempt(m *wire.ServerActivate) {
	k := s.core
	s.attempt = attempt{method: m.Pairing.Method, format: m.Pairing.Format}
	cfg := &k.cfg.Pairing
	flow, err := pairing.NewClientFlow(pairing.ClientConfig{
		Session: pairing.Session{Hash: s.hash, Suite: s.conn.Suite(), Matched: s.matched, Index: s.index},
		Method:  m.Pairing.Method, Format: m.Pairing.Format, Offers: cfg.methods(), StaticCode: cfg.StaticCode,
		Rounds: k.pairing.rounds, Window: k.pairing.window, Conn: s.number,
		Hold: cfg.Hold, HoldMessage: cfg.HoldMessage, Timeout: cfg.Timeout,
	})
	if err != nil { // our own fault
		s.fail(err)
		return
	}
	s.attempt.speaks = m.Pairing.Method == wire.MethodDynamicCode && cfg.speaks()
	s.flow = flow
	s.drive(flow.Start(k.cfg.Clock.Now()))
}

// drive carries out what the flow wants. The count of rounds is stored before a code is
// seen: a restart must not give an attacker new rounds.
func (s *session) drive(effects []pairing.Effect) {
	k := s.core
	if !k.keepRounds() && slices.ContainsFunc(effects, showsCode) {
		s.drive(s.flow.Cancel())
		return
	}
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			s.send(e.Message)
			s.tellStart(e.Message)
		case pairing.ShowCode:
			k.cfg.Log.Info("pairing code is shown", "server_id", s.serverID, "round", e.Round)
			k.emit(PairingCode{ServerID: s.serverID, Code: e.Code, Round: e.Round})
		case pairing.Paired:
			s.storeRecord(e)
		case pairing.Ended:
			s.tellEnd(PairingEnded{Outcome: e.Outcome, Reason: e.Reason})
		case pairing.Close:
			s.closePairing(e.Err)
		case pairing.Discard:
			k.cfg.Log.Debug("pairing message dropped", "server_id", s.serverID, "type", e.Type)
		}
	}
	k.settlePairing()
}

func showsCode(e pairing.Effect) bool {
	_, ok := e.(pairing.ShowCode)
	return ok
}

// tellStart tells what was sent, where that says that an attempt waits or runs.
func (s *session) tellStart(m wire.Message) {
	k, a := s.core, &s.attempt
	if s.phase == over {
		return
	}
	switch m := m.(type) {
	case *wire.ClientPairPending:
		a.told = true
		k.cfg.Log.Info("pairing is held back", "server_id", s.serverID, "method", a.method)
		k.emit(PairingHeld{ServerID: s.serverID, Method: a.method, Format: a.format, Message: m.Message})
	case *wire.ClientPairInit:
		a.told, a.started = true, true
		k.cfg.Log.Info("pairing started", "server_id", s.serverID, "method", a.method, "index", m.PairingIndex)
		k.emit(PairingStarted{ServerID: s.serverID, Method: a.method, Format: a.format})
	}
}

// tellEnd tells the end of an attempt, once.
func (s *session) tellEnd(e PairingEnded) {
	k, a := s.core, &s.attempt
	if e.Reason == wire.AbortMethodNotSupported && !a.told {
		k.cfg.Log.Info("pairing refused", "server_id", s.serverID, "method", a.method, "format", a.format)
		k.emit(PairingRefused{ServerID: s.serverID, Method: a.method, Format: a.format, Reason: e.Reason})
		return
	}
	if !a.told {
		return
	}
	a.told, a.started = false, false
	e.ServerID, e.Method = s.serverID, a.method
	k.cfg.Log.Info("pairing ended", "server_id", s.serverID, "outcome", e.Outcome.String(), "reason", e.Reason, "error", e.Err)
	k.emit(e)
}

// closePairing closes the connection as a flow wants it: without a word after a fault,
// after its pair/abort otherwise.
func (s *session) closePairing(err error) {
	end := PairingEnded{Outcome: pairing.Left, Err: err}
	if err == nil {
		end = PairingEnded{Outcome: pairing.AbortedHere, Reason: wire.AbortConcurrentAttempt}
	}
	s.tellEnd(end)
	if err == nil {
		s.close(normalClosure)
		return
	}
	s.protocolError("Pairing", "%v", err)
}

// storeRecord persists the new record before anything else happens. The session itself
// is paired when the server has re-handshaken.
func (s *session) storeRecord(e pairing.Paired) {
	k := s.core
	err := k.cfg.Store.PutRecord(s.serverID, e.PSK, k.inUse()...)
	e.PSK.Wipe()
	if err != nil { // the server has its record, this client has none: pairing again mends that
		k.cfg.Log.Error("pairing record is not stored", "server_id", s.serverID, "error", err)
		s.tellEnd(PairingEnded{Outcome: pairing.Left, Err: err})
		s.fail(err)
		return
	}
	k.cfg.Log.Info("paired", "server_id", s.serverID)
	k.emit(Paired{ServerID: s.serverID})
}

// inUse are the servers whose records back open connections: those are not evicted.
func (k *core) inUse() (servers []string) {
	for _, s := range k.sessions {
		if paired(s.matched) {
			servers = append(servers, s.serverID, k.cfg.Store.owner(s.pskID))
		}
	}
	return servers
}

// pairingMessage deals with a pairing message. The flow of the last pairing activation
// since the last handshake knows what is in order; without one nothing is.
func (s *session) pairingMessage(m wire.Message) {
	if s.referee != nil {
		s.referee.pairingMessage(m)
	}
	if s.flow != nil {
		s.drive(s.flow.Receive(m))
		return
	}
	if _, ok := m.(*wire.PairAbort); ok {
		return // without an attempt of ours it has no effect
	}
	s.protocolError("Pairing", "%q without an attempt", m.Type())
}

// leavePairing is for the end of the connection.
func (s *session) leavePairing() {
	if s.flow != nil {
		s.drive(s.flow.Dropped())
	}
	s.core.pairing.window.Dropped(s.number)
	s.core.settlePairing()
}

// attemptDeadline is when the attempt times out.
func (s *session) attemptDeadline() int64 {
	if s.flow == nil || s.rekeying() {
		return never
	}
	t := s.flow.Deadline()
	if t.IsZero() {
		return never
	}
	return s.core.at(t)
}

func (s *session) tickAttempt() {
	if s.flow != nil && !s.rekeying() {
		s.drive(s.flow.Tick(s.core.cfg.Clock.Now()))
	}
}

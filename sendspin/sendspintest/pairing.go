package sendspintest

import (
	"context"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Attempt is a pairing attempt of a [Server]: it passes the client's messages to a
// [pairing.ServerFlow] and carries out what that wants. Its waits fail the test when
// the client does not do its part.
type Attempt struct {
	// Flow is the flow, for what the methods do not cover.
	Flow *pairing.ServerFlow
	// PSK is the new long-term PSK, once it is verified.
	PSK noise.PSK
	// Held are the client's words for each client/pair-pending.
	Held []string
	// States are the client's client/state messages during the attempt.
	States []*wire.ClientState
	// KeepWaiting leaves the client without server/pair-finalize.
	KeepWaiting bool

	s     *Server
	asked []pairing.AskCode
	ended *pairing.Ended
	fault error
}

// Pair sends the server/activate of an attempt, with 'pairing' and the given
// activities and roles, and returns the attempt. The client has to offer the method.
func (s *Server) Pair(hello *wire.ClientHello, method, format string, activities []string, roles ...string) *Attempt {
	s.tb.Helper()
	if hash := s.Conn.HandshakeHash(); hash != s.hash {
		s.hash, s.index = hash, 0
	}
	s.index++
	flow, err := pairing.NewServerFlow(pairing.ServerConfig{
		Session: pairing.Session{Hash: s.hash, Suite: s.Conn.Suite(), Matched: s.Conn.Matched(), Index: s.index},
		Method:  method, Format: format, Offers: hello.PairMethods,
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	if roles == nil {
		roles = []string{}
	}
	s.Send(&wire.ServerActivate{
		Activities: append([]string{wire.ActivityPairing}, activities...), ActiveRoles: roles, Pairing: flow.Activation(),
	})
	return &Attempt{Flow: flow, s: s}
}

// do carries out what the flow wants.
func (a *Attempt) do(effects []pairing.Effect) {
	a.s.tb.Helper()
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			a.s.Send(e.Message)
		case pairing.AskCode:
			a.asked = append(a.asked, e)
		case pairing.Held:
			a.Held = append(a.Held, e.Message)
		case pairing.Verified:
			a.PSK = e.PSK
			if !a.KeepWaiting {
				a.do(a.Flow.Stored())
			}
		case pairing.Ended:
			a.ended = &e
		case pairing.Close:
			a.fault = e.Err
			_ = a.s.Conn.Close(channel.CloseSilent, "")
		}
	}
}

// until passes messages to the flow until done. Others than pairing messages are
// dropped: the client may report its state at any time.
func (a *Attempt) until(what string, done func() bool) {
	a.s.tb.Helper()
	for !done() {
		if a.fault != nil {
			a.s.tb.Fatalf("waiting for %s: %v", what, a.fault)
		}
		m := a.s.Next()
		if state, ok := m.(*wire.ClientState); ok {
			a.States = append(a.States, state)
		} else if pairing.IsPairing(m) {
			a.do(a.Flow.Receive(m))
		}
	}
}

// AwaitHeld waits until the client holds the attempt back, and returns its message.
func (a *Attempt) AwaitHeld() string {
	a.s.tb.Helper()
	a.until("client/pair-pending", func() bool { return len(a.Held) > 0 })
	return a.Held[len(a.Held)-1]
}

// AwaitQuestion waits until a code is asked for, for the given round.
func (a *Attempt) AwaitQuestion(round int) {
	a.s.tb.Helper()
	a.until("the question for the code", func() bool { return len(a.asked) >= round })
}

// Enter enters a code, as the operator does.
func (a *Attempt) Enter(code string) {
	a.s.tb.Helper()
	effects, err := a.Flow.EnterCode(code)
	if err != nil {
		a.s.tb.Fatalf("the operator's code: %v", err)
	}
	a.do(effects)
}

// AwaitEnd waits for the end of the attempt.
func (a *Attempt) AwaitEnd() pairing.Ended {
	a.s.tb.Helper()
	a.until("the end of the attempt", func() bool { return a.ended != nil })
	return *a.ended
}

// AwaitStoring waits until the new PSK is verified.
func (a *Attempt) AwaitStoring() {
	a.s.tb.Helper()
	a.until("client/pair-finalize", func() bool { return !a.PSK.IsZero() })
}

// Cancel ends the attempt as an operator at the server does: pair/abort, then a
// server/activate without pairing.
func (a *Attempt) Cancel(activities []string, roles ...string) {
	a.s.tb.Helper()
	a.do(a.Flow.Cancel())
	a.s.Activate(activities, roles...)
}

// Promote re-handshakes to the new PSK and activates.
func (a *Attempt) Promote(activities []string, roles ...string) {
	a.s.tb.Helper()
	a.s.Rekey(channel.Credential{PSK: a.PSK, Category: noise.LongTerm}, activities, roles...)
}

// TryPromote is Promote for a client that turns the activation away: it may have closed the
// connection before the write of that has returned, so the error shows nothing. What the
// client says does.
func (a *Attempt) TryPromote(activities []string, roles ...string) {
	_ = a.s.rekey(channel.Credential{PSK: a.PSK, Category: noise.LongTerm}, activities, roles...)
}

// Rekey re-handshakes and activates; the server's goroutine goes on reading.
func (s *Server) Rekey(cred channel.Credential, activities []string, roles ...string) {
	s.tb.Helper()
	if err := s.rekey(cred, activities, roles...); err != nil {
		s.tb.Fatalf("re-handshake: %v", err)
	}
}

func (s *Server) rekey(cred channel.Credential, activities []string, roles ...string) error {
	if roles == nil {
		roles = []string{}
	}
	if activities == nil {
		activities = []string{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Conn.Rehandshake(ctx, cred, func() ([]byte, error) {
		return wire.Current().Encode(&wire.ServerActivate{Activities: activities, ActiveRoles: roles})
	})
}

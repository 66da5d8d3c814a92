package pairing

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// samples are all pairing messages, each well-formed for the method.
func samples(k kind) []wire.Message {
	init := &wire.ClientPairInit{PairingIndex: 1}
	confirm := &wire.ClientPairConfirm{ClientKC: make([]byte, 64)}
	finalize := &wire.ClientPairFinalize{WrappedPSK: make([]byte, WrappedLen)}
	if k.method == wire.MethodDynamicCode {
		init.Commit = make([]byte, 32)
		confirm.WrappedNonce = make([]byte, WrappedLen)
	}
	if k.method == wire.MethodPSK {
		finalize = &wire.ClientPairFinalize{LongTermPSK: make([]byte, 32)}
	}
	point := append([]byte{9}, make([]byte, 31)...)
	return []wire.Message{
		&wire.ClientPairPending{PairingIndex: 1}, init,
		&wire.ServerPairInit{Nonce: make([]byte, 32)},
		&wire.ServerPairAuth{PAKEMsg1: point}, &wire.ClientPairAuth{PAKEMsg2: point},
		&wire.ServerPairConfirm{ServerKC: make([]byte, 64)}, &wire.ClientPairRetry{}, confirm,
		finalize, &wire.ServerPairFinalize{},
	}
}

// dueAtServer lists what the specification allows in each state: the oracle of these tests,
// written down from the flow diagrams. pair/abort is always allowed.
var dueAtServer = map[ServerState]map[string][]string{
	ServerWaiting: {
		wire.MethodPSK:         {wire.TypeClientPairInit},
		wire.MethodDynamicCode: {wire.TypeClientPairInit, wire.TypeClientPairPending},
		wire.MethodStaticCode:  {wire.TypeClientPairInit, wire.TypeClientPairPending},
	},
	ServerHeld: {
		wire.MethodDynamicCode: {wire.TypeClientPairInit, wire.TypeClientPairPending},
		wire.MethodStaticCode:  {wire.TypeClientPairInit, wire.TypeClientPairPending},
	},
	ServerNeedsCode: {},
	ServerExchanging: {
		wire.MethodDynamicCode: {wire.TypeClientPairAuth},
		wire.MethodStaticCode:  {wire.TypeClientPairAuth},
	},
	ServerConfirming: {
		wire.MethodDynamicCode: {wire.TypeClientPairConfirm, wire.TypeClientPairRetry},
		wire.MethodStaticCode:  {wire.TypeClientPairConfirm},
	},
	ServerFinalizing: {
		wire.MethodPSK:         {wire.TypeClientPairFinalize},
		wire.MethodDynamicCode: {wire.TypeClientPairFinalize},
		wire.MethodStaticCode:  {wire.TypeClientPairFinalize},
	},
	ServerStoring:   {},
	ServerSucceeded: {},
}

// dueAtClient is the same for the client.
var dueAtClient = map[ClientState]map[string][]string{
	ClientNew:     {},
	ClientHeld:    {},
	ClientOpening: {wire.MethodDynamicCode: {wire.TypeServerPairInit}},
	ClientShowing: {
		wire.MethodDynamicCode: {wire.TypeServerPairAuth},
		wire.MethodStaticCode:  {wire.TypeServerPairAuth},
	},
	ClientExchanging: {
		wire.MethodDynamicCode: {wire.TypeServerPairConfirm},
		wire.MethodStaticCode:  {wire.TypeServerPairConfirm},
	},
	ClientFinalizing: {
		wire.MethodPSK:         {wire.TypeServerPairFinalize},
		wire.MethodDynamicCode: {wire.TypeServerPairFinalize},
		wire.MethodStaticCode:  {wire.TypeServerPairFinalize},
	},
	ClientSucceeded: {},
	ClientEnded:     {},
}

// moment is a point of an attempt that can be reached again and again.
type moment struct {
	kind  kind
	held  bool
	index uint32
	wrong bool // the first code entered is wrong: the states of a second round
	steps int
}

func (m moment) String() string {
	return fmt.Sprintf("%s, held %t, index %d, second round %t, step %d", m.kind, m.held, m.index, m.wrong, m.steps)
}

// reach plays an honest attempt up to the moment.
func (m moment) reach(t *testing.T) (l *link, more bool) {
	l = newLink(t, m.kind)
	if m.held {
		l.window.Close()
	}
	l.connect(m.index, func(_ *ServerConfig, c *ClientConfig) { c.Hold = m.held })
	l.operator = func(round uint32) string {
		switch {
		case m.wrong && round == 1:
			return l.wrong()
		case m.kind == static:
			return staticDigits
		}
		return l.shown[0]
	}
	more = true
	for i := range m.steps {
		if i == 0 {
			l.start()
			continue
		}
		if more = l.step(); !more && l.client.State() == ClientHeld {
			l.window.Open(l.now)
			l.doClient(l.client.Release(l.now))
			more = true
		}
	}
	return l, more
}

// moments lists all moments of all kinds of attempt. The two formats of the dynamic
// code share their states, so one of them is enough.
func moments(t *testing.T) (list []moment) {
	for _, m := range []moment{
		{kind: psk, index: 1}, {kind: psk, index: 2},
		{kind: digits, index: 1}, {kind: digits, index: 2},
		{kind: digits, index: 1, held: true}, {kind: digits, index: 1, wrong: true},
		{kind: static, index: 1}, {kind: static, index: 2}, {kind: static, index: 2, held: true},
	} {
		for more := true; more; m.steps++ {
			list = append(list, m)
			_, more = m.reach(t)
		}
	}
	return list
}

// withIndex returns the message with another pairing index, nil when it has none.
func withIndex(m wire.Message, index uint32) wire.Message {
	switch m := m.(type) {
	case *wire.ClientPairPending:
		return &wire.ClientPairPending{PairingIndex: index}
	case *wire.ClientPairInit:
		return &wire.ClientPairInit{PairingIndex: index, Commit: m.Commit}
	}
	return nil
}

func TestEveryMessageAtEveryMomentOfTheServer(t *testing.T) {
	seen := map[ServerState]bool{}
	for _, m := range moments(t) {
		for _, msg := range samples(m.kind) {
			l, _ := m.reach(t)
			state := l.server.State()
			seen[state] = true
			where := fmt.Sprintf("%s in state %s: %s", m, state, msg.Type())
			if indexed := withIndex(msg, m.index); indexed != nil {
				if got := l.server.Receive(withIndex(msg, m.index-1)); !reflect.DeepEqual(got, discard(msg)) || l.server.State() != state {
					t.Fatalf("%s, index too low: %v", where, got)
				}
				ahead, _ := m.reach(t)
				wantFault(t, where+", index too high", ahead.server.Receive(withIndex(msg, m.index+1)), ErrIndex)
				wantDead(t, where, ahead)
				msg = indexed
			}
			got := l.server.Receive(msg)
			due := slices.Contains(dueAtServer[state][m.kind.method], msg.Type())
			leftover := m.index > 1 && state == ServerWaiting && withIndex(msg, 1) == nil && msg.Type()[:7] == "client/"
			switch {
			case due && isFault(got, ErrSequence):
				t.Fatalf("%s: refused", where)
			case !due && leftover:
				if !reflect.DeepEqual(got, discard(msg)) || l.server.State() != state {
					t.Fatalf("%s: %v, want it dropped", where, got)
				}

			case !due:
				wantFault(t, where, got, ErrSequence)
				wantDead(t, where, l)
			}
		}
	}
	for state := ServerWaiting; state <= ServerSucceeded; state++ {
		if !seen[state] {
			t.Errorf("state %s was never reached", state)
		}
	}
}

func TestEveryMessageAtEveryMomentOfTheClient(t *testing.T) {
	seen := map[ClientState]bool{}
	for _, m := range moments(t) {
		for _, msg := range samples(m.kind) {
			l, _ := m.reach(t)
			state := l.client.State()
			seen[state] = true
			where := fmt.Sprintf("%s in state %s: %s", m, state, msg.Type())
			if msg, ok := msg.(*wire.ServerPairInit); ok && l.client.round > 1 {
				msg.Nonce = nil
			}
			got := l.client.Receive(msg)
			if slices.Contains(dueAtClient[state][m.kind.method], msg.Type()) {
				if isFault(got, ErrSequence) {
					t.Fatalf("%s: refused", where)
				}
				continue
			}
			wantFault(t, where, got, ErrSequence)
			if again := l.client.Receive(msg); !reflect.DeepEqual(again, discard(msg)) {
				t.Fatalf("%s: after closing %v", where, again)
			}
		}
	}
	for state := ClientNew; state <= ClientSucceeded; state++ {
		if !seen[state] {
			t.Errorf("state %s was never reached", state)
		}
	}
}

func isFault(effects []Effect, want error) bool {
	if len(effects) != 1 {
		return false
	}
	c, ok := effects[0].(Close)
	return ok && errors.Is(c.Err, want)
}

func wantFault(t *testing.T, where string, effects []Effect, want error) {
	t.Helper()
	if !isFault(effects, want) {
		t.Fatalf("%s: %v, want %v", where, effects, want)
	}
	var p *ProtocolError
	if !errors.As(effects[0].(Close).Err, &p) || p.Message == "" || p.Error() == "" {
		t.Fatalf("%s: %v is no ProtocolError", where, effects)
	}
}

// wantDead checks that a closed attempt does nothing any more.
func wantDead(t *testing.T, where string, l *link) {
	t.Helper()
	for _, msg := range append(samples(l.kind), &wire.PairAbort{Reason: wire.AbortUserCancelled}) {
		if got := l.server.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
			t.Fatalf("%s: after closing, %s gives %v", where, msg.Type(), got)
		}
	}
	if _, err := l.server.EnterCode("123456"); err != ErrCodeNotWanted {
		t.Fatalf("%s: a code is wanted after closing", where)
	}
	if l.server.Stored() != nil || l.server.Cancel() != nil || l.server.Leave() != nil {
		t.Fatalf("%s: a closed attempt ends again", where)
	}
}

// pair/abort at every moment: it ends what goes on, once, and has no effect afterwards.
func TestAbortAtEveryMoment(t *testing.T) {
	for _, m := range moments(t) {
		for _, reason := range []string{wire.AbortUserCancelled, wire.AbortAttemptTimeout, wire.AbortCodeMismatch, "of a later revision"} {
			msg := &wire.PairAbort{Reason: reason}
			ended := []Effect{Ended{Outcome: AbortedByPeer, Reason: reason}}

			l, _ := m.reach(t)
			state := l.server.State()
			begun := reason == wire.AbortAttemptTimeout || reason == wire.AbortCodeMismatch
			want := ended
			if state == ServerSucceeded || state == ServerWaiting && m.index > 1 && begun {
				want = discard(msg)
			}
			if got := l.server.Receive(msg); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s, server %s: %v, want %v", m, state, got, want)
			}
			if reflect.DeepEqual(want, ended) {
				for _, msg := range append(samples(m.kind), msg) {
					if got := l.server.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
						t.Fatalf("%s: after the abort, %s gives %v", m, msg.Type(), got)
					}
				}
			}

			l, _ = m.reach(t)
			want = ended
			if !l.client.live() {
				want = discard(msg)
			}
			if got := l.client.Receive(msg); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s, client %s: %v, want %v", m, l.client.State(), got, want)
			}
			if got := l.client.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
				t.Fatalf("%s: the second abort gives %v", m, got)
			}
		}
	}
}

// After each side's own abort everything is dropped: the server until its next
// activation, the client until the next server/activate.
func TestLeftoversAreDropped(t *testing.T) {
	for _, m := range moments(t) {
		l, _ := m.reach(t)
		if l.server.Cancel() != nil {
			for _, msg := range append(samples(m.kind), &wire.PairAbort{Reason: wire.AbortAttemptTimeout}) {
				if got := l.server.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
					t.Fatalf("%s: server, %s gives %v", m, msg.Type(), got)
				}
			}
		}
		l, _ = m.reach(t)
		if l.client.Cancel() != nil {
			for _, msg := range append(samples(m.kind), &wire.PairAbort{Reason: wire.AbortCodeMismatch}) {
				if got := l.client.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
					t.Fatalf("%s: client, %s gives %v", m, msg.Type(), got)
				}
			}
			if got := l.client.Receive(&wire.ServerActivate{}); got != nil {
				t.Fatalf("%s: the activation gives %v", m, got)
			}
			wantFault(t, m.String(), l.client.Receive(&wire.ServerPairFinalize{}), ErrSequence)
		}
	}
}

// Messages of a cancelled attempt reach the flow of the next one, which goes on.
func TestLeftoversInTheNextAttempt(t *testing.T) {
	for _, m := range moments(t) {
		if m.index != 1 {
			continue
		}
		l, _ := m.reach(t)
		if l.client.State() == ClientNew || l.server.Cancel() == nil {
			continue
		}
		for len(l.toClient) > 0 { // the client goes on until it sees the abort
			l.doClient(l.client.Receive(l.toClient[0]))
			l.toClient = l.toClient[1:]
		}
		late := l.toServer
		l.clientEnded, l.serverEnded, l.discarded = nil, nil, nil
		l.connect(2)
		l.window.Open(l.now)
		for _, msg := range late {
			if got := l.server.Receive(msg); !reflect.DeepEqual(got, discard(msg)) {
				t.Fatalf("%s: leftover %s gives %v", m, msg.Type(), got)
			}
		}
		l.operator, l.shown = nil, nil
		l.start().run().wantPaired()
	}
}

package pairing

import (
	"reflect"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// kind is one way of pairing.
type kind struct {
	method, format string
	suite          noise.Suite
}

func (k kind) String() string { return k.method + " " + k.format + " " + string(k.suite) }

// kinds are all ways: methods, formats and suites.
func kinds() []kind {
	var ks []kind
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		ks = append(ks,
			kind{wire.MethodPSK, "", suite},
			kind{wire.MethodDynamicCode, wire.FormatDigits, suite},
			kind{wire.MethodDynamicCode, wire.FormatQRCode, suite},
			kind{wire.MethodStaticCode, "", suite})
	}
	return ks
}

var (
	psk     = kind{wire.MethodPSK, "", noise.ChaChaPoly}
	digits  = kind{wire.MethodDynamicCode, wire.FormatDigits, noise.ChaChaPoly}
	qr      = kind{wire.MethodDynamicCode, wire.FormatQRCode, noise.AESGCM}
	static  = kind{wire.MethodStaticCode, "", noise.ChaChaPoly}
	fourWay = []kind{psk, digits, qr, static}
)

const staticDigits = "12345678"

// link is a server and a client with a wire in between, and an operator.
type link struct {
	t      testing.TB
	kind   kind
	server *ServerFlow
	client *ClientFlow
	rounds *Rounds
	window *Window
	now    time.Time

	toServer, toClient []wire.Message
	ask                *AskCode // the server waits for the operator
	shown              []string // what the device has emitted, by round
	held               []string
	storing            bool // the server's driver has a record to store

	// operator answers AskCode; nil reads the device's display or its label.
	operator func(round uint32) string
	// onWire sees every message before delivery and may change or replace it; nil
	// drops it.
	onWire func(m wire.Message) wire.Message

	verified, paired         noise.PSK
	drawn                    noise.PSK // a copy of the last PSK that the client made
	serverEnded, clientEnded []Ended
	serverClosed             []error
	clientClosed             []error
	discarded                []string
}

// newLink sets up an attempt that nothing holds back; change may change that.
func newLink(t testing.TB, k kind, change ...func(*ServerConfig, *ClientConfig)) *link {
	t.Helper()
	l := &link{t: t, kind: k, rounds: &Rounds{}, window: &Window{}, now: t0}
	l.window.Open(t0)
	l.connect(1, change...)
	return l
}

// connect makes the flows of the activation with the given index.
func (l *link) connect(index uint32, change ...func(*ServerConfig, *ClientConfig)) {
	l.t.Helper()
	session := Session{Hash: [32]byte{1, 2, 3}, Suite: l.kind.suite, Matched: noise.Sentinel, Index: index}
	if l.kind.method == wire.MethodPSK {
		session.Matched = noise.Pairing
	}
	offers := wire.PairMethods{
		PSK:         &wire.SecretMethod{},
		StaticCode:  &wire.SecretMethod{},
		DynamicCode: &wire.DynamicMethod{OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits, wire.FormatQRCode}},
	}
	sc := ServerConfig{Session: session, Method: l.kind.method, Format: l.kind.format, Offers: offers}
	cc := ClientConfig{
		Session: session, Method: l.kind.method, Format: l.kind.format, Offers: offers,
		StaticCode: newCode([]byte(staticDigits), false), Rounds: l.rounds, Window: l.window, Conn: 7,
	}
	for _, f := range change {
		f(&sc, &cc)
	}
	var err error
	if l.server, err = NewServerFlow(sc); err != nil {
		l.t.Fatal(err)
	}
	if l.client, err = NewClientFlow(cc); err != nil {
		l.t.Fatal(err)
	}
	l.ask, l.storing, l.toServer, l.toClient = nil, false, nil, nil
}

// doServer carries out the effects of the server's flow. A connection that one side
// closes is gone for the other.
func (l *link) doServer(effects []Effect) {
	l.t.Helper()
	if len(effects) == 0 {
		return
	}
	over := len(l.serverEnded) + len(l.serverClosed)
	if l.server.over() {
		l.ask = nil
	}
	for i, e := range effects {
		switch e := e.(type) {
		case Send:
			l.toClient = append(l.toClient, l.coded(e.Message))
		case AskCode:
			l.ask = &e
		case Held:
			l.held = append(l.held, e.Message)
		case Verified:
			l.verified, l.storing = e.PSK, true
		case Ended:
			l.serverEnded = append(l.serverEnded, e)
			l.last(effects, i)
			if e.Outcome != Success {
				l.verified, l.storing = noise.PSK{}, false
			}
		case Close:
			l.serverClosed = append(l.serverClosed, e.Err)
			l.last(effects, i)
			l.verified, l.storing = noise.PSK{}, false
			l.toServer, l.toClient = nil, nil
			l.doClient(l.client.Dropped())
		case Discard:
			l.discarded = append(l.discarded, e.Type)
		default:
			l.t.Fatalf("the server has %T", e)
		}
	}
	if n := len(l.serverEnded) + len(l.serverClosed); n > over+1 || (n > over) != l.server.over() && !onlyDiscards(effects) {
		l.t.Fatalf("state %s after %v", l.server.State(), effects)
	}
}

// doClient carries out the effects of the client's flow.
func (l *link) doClient(effects []Effect) {
	l.t.Helper()
	if b := l.client.psk.Bytes(); b != nil {
		l.drawn, _ = noise.NewPSK(b)
	}
	for i, e := range effects {
		switch e := e.(type) {
		case Send:
			l.toServer = append(l.toServer, l.coded(e.Message))
		case ShowCode:
			l.shown = append(l.shown, e.Code.Text())
		case Paired:
			l.paired = e.PSK
		case Ended:
			l.clientEnded = append(l.clientEnded, e)
			l.last(effects, i)
		case Close:
			l.clientClosed = append(l.clientClosed, e.Err)
			l.last(effects, i)
			if e.Err != nil { // without a message before it
				l.toServer, l.toClient = nil, nil
				l.doServer(l.server.Leave())
			}
		case Discard:
			l.discarded = append(l.discarded, e.Type)
		default:
			l.t.Fatalf("the client has %T", e)
		}
	}
}

func (l *link) last(effects []Effect, i int) {
	l.t.Helper()
	if i != len(effects)-1 {
		l.t.Fatalf("effects after the end: %v", effects)
	}
}

func onlyDiscards(effects []Effect) bool {
	for _, e := range effects {
		if _, ok := e.(Discard); !ok {
			return false
		}
	}
	return true
}

// coded passes a message through the codec: what a flow sends must be encodable.
func (l *link) coded(m wire.Message) wire.Message {
	l.t.Helper()
	codec := wire.Current()
	b, err := codec.Encode(m)
	if err != nil {
		l.t.Fatal(err)
	}
	decode := codec.DecodeFromClient
	if m.Type()[:7] == "server/" {
		decode = codec.DecodeFromServer
	}
	back, err := decode(b)
	if err != nil {
		l.t.Fatal(err)
	}
	if !reflect.DeepEqual(back, m) {
		l.t.Fatalf("%s does not survive the wire", m.Type())
	}
	return back
}

// step does one thing: it delivers a message, lets the operator or the server's driver
// act. It reports false when there is nothing to do.
func (l *link) step() bool {
	l.t.Helper()
	switch {
	case len(l.toServer) > 0:
		m := l.toServer[0]
		l.toServer = l.toServer[1:]
		if m = l.wire(m); m != nil {
			l.doServer(l.server.Receive(m))
		}
	case len(l.toClient) > 0:
		m := l.toClient[0]
		l.toClient = l.toClient[1:]
		if m = l.wire(m); m != nil {
			l.doClient(l.client.Receive(m))
		}
	case l.storing:
		l.storing = false
		l.doServer(l.server.Stored())
	case l.ask != nil:
		round := l.ask.Round
		l.ask = nil
		effects, err := l.server.EnterCode(l.enter(round))
		if err != nil {
			l.t.Fatal(err)
		}
		l.doServer(effects)
	default:
		return false
	}
	return true
}

func (l *link) wire(m wire.Message) wire.Message {
	if l.onWire == nil {
		return m
	}
	return l.onWire(m)
}

func (l *link) enter(round uint32) string {
	if l.operator != nil {
		return l.operator(round)
	}
	if l.kind.method == wire.MethodStaticCode {
		return "1234-5678"
	}
	return l.shown[len(l.shown)-1]
}

// start begins the client's attempt.
func (l *link) start() *link {
	l.t.Helper()
	l.doClient(l.client.Start(l.now))
	return l
}

// run goes on until nothing is to be done.
func (l *link) run() *link {
	l.t.Helper()
	for n := 0; l.step(); n++ {
		if n > 1000 {
			l.t.Fatal("no end")
		}
	}
	return l
}

// wantPaired checks that both sides have one record.
func (l *link) wantPaired() {
	l.t.Helper()
	if !l.verified.Equal(l.paired) {
		l.t.Errorf("server %s %v %v, client %s %v %v: no common PSK",
			l.server.State(), l.serverEnded, l.serverClosed, l.client.State(), l.clientEnded, l.clientClosed)
	}
	if l.server.State() != ServerSucceeded || l.client.State() != ClientSucceeded {
		l.t.Errorf("server %s, client %s", l.server.State(), l.client.State())
	}
	if len(l.discarded) > 0 {
		l.t.Errorf("discarded %v", l.discarded)
	}
}

// wantNothingStored checks that neither side has a record.
func (l *link) wantNothingStored() {
	l.t.Helper()
	if !l.verified.IsZero() || !l.paired.IsZero() {
		l.t.Errorf("a PSK is left: server %t, client %t", !l.verified.IsZero(), !l.paired.IsZero())
	}
}

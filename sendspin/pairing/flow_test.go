package pairing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestEveryKindPairs(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			var messages []string
			l := newLink(t, k)
			l.onWire = func(m wire.Message) wire.Message { messages = append(messages, m.Type()); return m }
			l.start().run().wantPaired()
			want := map[string]string{
				wire.MethodPSK:         "client/pair-init client/pair-finalize server/pair-finalize",
				wire.MethodStaticCode:  "client/pair-init server/pair-auth client/pair-auth server/pair-confirm client/pair-confirm client/pair-finalize server/pair-finalize",
				wire.MethodDynamicCode: "client/pair-init server/pair-init server/pair-auth client/pair-auth server/pair-confirm client/pair-confirm client/pair-finalize server/pair-finalize",
			}[k.method]
			if got := strings.Join(messages, " "); got != want {
				t.Errorf("messages %s\nwant %s", got, want)
			}
			if l.window.IsOpen(l.now) == (k.method == wire.MethodStaticCode) {
				t.Error("the pairing window closes on a static pairing, and only then")
			}
			if l.rounds.Count() != 0 {
				t.Error("a verified round does not reset the count")
			}
		})
	}
}

// Two attempts on one connection, and on two, give two PSKs.
func TestEveryPairingHasItsOwnPSK(t *testing.T) {
	for _, k := range fourWay {
		l := newLink(t, k)
		l.start().run().wantPaired()
		first := l.verified
		l.window.Open(l.now)
		l.connect(2)
		l.start().run().wantPaired()
		if first.Equal(l.verified) {
			t.Errorf("%s: the same PSK twice", k)
		}
	}
}

func TestStaticCodeBeforeItIsAsked(t *testing.T) {
	l := newLink(t, static)
	effects, err := l.server.EnterCode("87654321")
	if err != nil || effects != nil {
		t.Fatal(effects, err)
	}
	if effects, err := l.server.EnterCode("1234 5678"); err != nil || effects != nil { // the later one counts
		t.Fatal(effects, err)
	}
	l.start().run().wantPaired()
	if l.ask != nil {
		t.Error("asked all the same")
	}
}

func TestOperatorInputThatIsNoCode(t *testing.T) {
	for _, k := range []kind{digits, qr, static} {
		l := newLink(t, k)
		l.start()
		for l.ask == nil && l.step() {
		}
		for _, in := range []string{"", "123", "abc"} {
			if effects, err := l.server.EnterCode(in); err == nil || effects != nil {
				t.Errorf("%s: %q gives %v, %v", k, in, effects, err)
			}
		}
		if l.server.State() != ServerNeedsCode {
			t.Error("bad input moves the attempt")
		}
		l.run().wantPaired()
	}
}

func TestCodeThatIsNotWanted(t *testing.T) {
	for _, k := range fourWay {
		l := newLink(t, k)
		l.start()
		for {
			early := k == static && l.server.State() <= ServerHeld
			if l.server.State() != ServerNeedsCode && !early {
				if effects, err := l.server.EnterCode("123456"); err != ErrCodeNotWanted || effects != nil {
					t.Errorf("%s, %s: %v, %v", k, l.server.State(), effects, err)
				}
			}
			if !l.step() {
				break
			}
		}
		l.wantPaired()
	}
}

// wrong is a code of the kind's shape that is not the one shown.
func (l *link) wrong() string {
	switch {
	case l.kind.method == wire.MethodStaticCode:
		return "00000000"
	case l.kind.format == wire.FormatQRCode:
		return newCode(make([]byte, QRLen), true).Text()
	case l.shown[0] == "000-000":
		return "000001"
	}
	return "000000"
}

func TestWrongCodeThenRight(t *testing.T) {
	for _, k := range []kind{digits, qr} {
		l := newLink(t, k)
		var nonces int
		l.onWire = func(m wire.Message) wire.Message {
			if m, ok := m.(*wire.ServerPairInit); ok && m.Nonce != nil {
				nonces++
			}
			return m
		}
		l.operator = func(round uint32) string {
			if round < 3 {
				return l.wrong()
			}
			return l.shown[0]
		}
		l.start().run().wantPaired()
		if len(l.shown) != 3 || l.shown[0] != l.shown[1] || l.shown[0] != l.shown[2] {
			t.Errorf("%s: the code changes from round to round", k)
		}
		if nonces != 1 || l.server.Round() != 3 {
			t.Errorf("%s: %d nonces, round %d", k, nonces, l.server.Round())
		}
	}
}

func TestWrongStaticCode(t *testing.T) {
	l := newLink(t, static)
	l.operator = func(uint32) string { return l.wrong() }
	for attempt := 1; attempt <= WindowFailures; attempt++ {
		if !l.window.IsOpen(l.now) {
			t.Fatalf("the window closed before attempt %d", attempt)
		}
		l.connect(uint32(attempt))
		l.start().run().wantNothingStored()
		want := Ended{Outcome: AbortedHere, Reason: wire.AbortCodeMismatch}
		if got := l.clientEnded[attempt-1]; got != want {
			t.Errorf("client %v", got)
		}
		want.Outcome = AbortedByPeer
		if got := l.serverEnded[attempt-1]; got != want {
			t.Errorf("server %v", got)
		}
	}
	l.operator = nil
	l.connect(WindowFailures + 1)
	l.start().run()
	if l.client.State() != ClientHeld || l.server.State() != ServerHeld {
		t.Errorf("after the fifth failure: client %s, server %s", l.client.State(), l.server.State())
	}
	l.window.Open(l.now)
	l.doClient(l.client.Release(l.now))
	l.run().wantPaired()
}

func TestTwentyRounds(t *testing.T) {
	l := newLink(t, digits)
	l.operator = func(uint32) string { return l.wrong() }
	l.start().run().wantNothingStored()
	if len(l.shown) != RoundLimit {
		t.Errorf("%d rounds", len(l.shown))
	}
	if want := (Ended{AbortedHere, wire.AbortCodeMismatch}); !slices.Equal(l.clientEnded, []Ended{want}) {
		t.Errorf("client %v", l.clientEnded)
	}
	if want := (Ended{AbortedByPeer, wire.AbortCodeMismatch}); !slices.Equal(l.serverEnded, []Ended{want}) {
		t.Errorf("server %v", l.serverEnded)
	}
	// The next attempt is held back, on another connection too.
	l.connect(1, func(_ *ServerConfig, c *ClientConfig) { c.HoldMessage, c.Conn = "Press the button", 8 })
	l.start().run()
	if l.client.State() != ClientHeld || !slices.Equal(l.held, []string{"Press the button"}) {
		t.Errorf("client %s, held %q", l.client.State(), l.held)
	}
	if !l.client.Deadline().IsZero() || l.client.Release(l.now) != nil {
		t.Error("a held attempt runs")
	}
	l.rounds.Reset()
	l.operator = nil
	l.doClient(l.client.Release(l.now))
	l.run().wantPaired()
}

func TestTheTwentiethRoundCanSucceed(t *testing.T) {
	l := newLink(t, digits)
	l.operator = func(round uint32) string {
		if round < RoundLimit {
			return l.wrong()
		}
		return l.shown[0]
	}
	l.start().run().wantPaired()
	if l.rounds.Count() != 0 {
		t.Error("the count stays")
	}
}

// Rounds add up over attempts, and an abandoned one counts once its code is emitted.
func TestRoundsOfAbandonedAttemptsCount(t *testing.T) {
	l := newLink(t, digits)
	l.start()
	l.doServer(l.server.Cancel()) // before the code is emitted
	l.run()
	if l.rounds.Count() != 0 {
		t.Error("an attempt without a code counts")
	}
	for i := range RoundLimit {
		l.connect(uint32(i + 2))
		l.start()
		for l.ask == nil || len(l.toClient) > 0 {
			l.step()
		}
		l.doServer(l.server.Cancel())
		l.run()
		if l.rounds.Count() != i+1 {
			t.Fatalf("%d rounds after %d attempts", l.rounds.Count(), i+1)
		}
	}
	l.connect(50)
	if l.start(); l.client.State() != ClientHeld {
		t.Error("not held back")
	}
}

func TestHoldBack(t *testing.T) {
	hold := func(_ *ServerConfig, c *ClientConfig) { c.Hold = true }
	l := newLink(t, digits, hold)
	l.start().run()
	if l.client.State() != ClientHeld || l.server.State() != ServerHeld {
		t.Errorf("client %s, server %s", l.client.State(), l.server.State())
	}
	l.doClient(l.client.Release(l.now))
	l.run().wantPaired()

	l = newLink(t, static)
	l.window.Close()
	l.start().run()
	if l.client.State() != ClientHeld {
		t.Error("no window, and not held")
	}
	if l.client.Release(l.now) != nil {
		t.Error("released without a window")
	}
	l.now = l.now.Add(time.Hour)
	l.window.Open(l.now)
	l.doClient(l.client.Release(l.now))
	if want := l.now.Add(AttemptTimeout); !l.client.Deadline().Equal(want) {
		t.Errorf("deadline %v: waiting for the gesture counts", l.client.Deadline())
	}
	l.run().wantPaired()

	l = newLink(t, psk, hold)
	l.start().run().wantPaired() // nothing holds a pairing PSK back
}

func TestAttemptOutlivesItsWindow(t *testing.T) {
	l := newLink(t, static)
	l.now = l.now.Add(WindowLifetime - 1)
	l.start()
	l.now = l.now.Add(time.Minute)
	l.run().wantPaired()
}

func TestWindowKeepsOtherConnectionsOut(t *testing.T) {
	l := newLink(t, static)
	l.start()
	other := newLink(t, static)
	other.window = l.window
	other.connect(1, func(_ *ServerConfig, c *ClientConfig) { c.Conn = 99 })
	if other.start(); other.client.State() != ClientHeld {
		t.Error("a second connection is admitted")
	}
	l.doClient(l.client.Dropped())
	if other.client.Release(other.now) != nil || l.window.IsOpen(l.now) {
		t.Error("the window survives its connection")
	}
}

func TestMethodNotSupported(t *testing.T) {
	for name, c := range map[string]struct {
		k      kind
		change func(*ServerConfig, *ClientConfig)
	}{
		"PSK on the Sentinel":      {psk, func(_ *ServerConfig, c *ClientConfig) { c.Matched = noise.Sentinel }},
		"PSK on a long-term PSK":   {psk, func(_ *ServerConfig, c *ClientConfig) { c.Matched = noise.LongTerm }},
		"code on the pairing PSK":  {digits, func(_ *ServerConfig, c *ClientConfig) { c.Matched = noise.Pairing }},
		"code on a long-term PSK":  {static, func(_ *ServerConfig, c *ClientConfig) { c.Matched = noise.LongTerm }},
		"method that is not there": {digits, func(_ *ServerConfig, c *ClientConfig) { c.Offers.DynamicCode = nil }},
		"format that is not there": {qr, func(_ *ServerConfig, c *ClientConfig) {
			c.Offers.DynamicCode = &wire.DynamicMethod{OutChannels: []string{wire.OutSpeaker}, Formats: []string{wire.FormatDigits}}
		}},
		"unknown method": {digits, func(_ *ServerConfig, c *ClientConfig) { c.Method = "telepathy" }},
		"no format":      {digits, func(_ *ServerConfig, c *ClientConfig) { c.Format = "" }},
	} {
		l := newLink(t, c.k, c.change)
		l.start().run().wantNothingStored()
		if want := (Ended{AbortedHere, wire.AbortMethodNotSupported}); !slices.Equal(l.clientEnded, []Ended{want}) {
			t.Errorf("%s: client %v", name, l.clientEnded)
		}
		if want := (Ended{AbortedByPeer, wire.AbortMethodNotSupported}); !slices.Equal(l.serverEnded, []Ended{want}) {
			t.Errorf("%s: server %v", name, l.serverEnded)
		}
		if l.shown != nil || l.rounds.Count() != 0 {
			t.Errorf("%s: something was shown", name)
		}
	}
}

func TestServerRefusesToStart(t *testing.T) {
	for name, change := range map[string]func(*ServerConfig){
		"unknown suite":         func(c *ServerConfig) { c.Suite = "x" },
		"index 0":               func(c *ServerConfig) { c.Index = 0 },
		"PSK on the Sentinel":   func(c *ServerConfig) { c.Method = wire.MethodPSK },
		"code on a long-term":   func(c *ServerConfig) { c.Matched = noise.LongTerm },
		"not offered":           func(c *ServerConfig) { c.Offers = wire.PairMethods{} },
		"no format":             func(c *ServerConfig) { c.Format = "" },
		"no randomness":         func(c *ServerConfig) { c.Rand = strings.NewReader("short") },
		"method of another age": func(c *ServerConfig) { c.Method = "dynamic_pin" },
	} {
		cfg := newLink(t, digits).server.cfg
		change(&cfg)
		if f, err := NewServerFlow(cfg); err == nil || f != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientRefusesItsConfiguration(t *testing.T) {
	for name, change := range map[string]func(*ClientConfig){
		"unknown suite":     func(c *ClientConfig) { c.Suite = "x" },
		"index 0":           func(c *ClientConfig) { c.Index = 0 },
		"no rounds":         func(c *ClientConfig) { c.Rounds = nil },
		"no window":         func(c *ClientConfig) { c.Window = nil },
		"no static code":    func(c *ClientConfig) { c.StaticCode = Code{} },
		"short static code": func(c *ClientConfig) { c.StaticCode = newCode([]byte("123456"), false) },
		"long message":      func(c *ClientConfig) { c.HoldMessage = strings.Repeat("ü", 201) },
	} {
		cfg := newLink(t, digits).client.cfg
		change(&cfg)
		if f, err := NewClientFlow(cfg); err == nil || f != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPendingMessages(t *testing.T) {
	l := newLink(t, static)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"Press \x1b[31mSET\x1b[0m\nfor 5 s", "Press  [31mSET [0m for 5 s"},
		{"\u202eevil\u202c text", "evil text"},
		{strings.Repeat("ä", 300), strings.Repeat("ä", 200)},
		{"<b>bold</b>", "<b>bold</b>"},
	} {
		effects := l.server.Receive(&wire.ClientPairPending{PairingIndex: 1, Message: c.in})
		if len(effects) != 1 || effects[0] != (Held{Message: c.want}) {
			t.Errorf("%q: %q", c.in, effects)
		}
	}
	l.start().run().wantPaired()
}

func TestOtherMessagesHaveNoEffect(t *testing.T) {
	l := newLink(t, digits)
	for {
		if l.server.Receive(&wire.ClientTime{}) != nil || l.client.Receive(&wire.ServerTime{}) != nil ||
			l.server.Receive(&wire.Unknown{Name: "client/pair-dance"}) != nil || l.client.Receive(nil) != nil {
			t.Fatal("an effect")
		}
		if l.client.State() == ClientNew {
			l.start()
		}
		if !l.step() {
			break
		}
	}
	l.wantPaired()
}

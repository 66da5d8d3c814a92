package pairing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestAttemptTimeout(t *testing.T) {
	for _, k := range fourWay {
		for steps := 0; ; steps++ {
			l := newLink(t, k, func(_ *ServerConfig, c *ClientConfig) { c.Timeout = time.Minute })
			l.start()
			done := false
			for range steps {
				done = !l.step()
			}
			if l.client.State() == ClientSucceeded || done {
				break
			}
			if l.client.Tick(l.client.Deadline().Add(-1)) != nil {
				t.Fatalf("%s, step %d: too early", k, steps)
			}
			l.now = l.client.Deadline()
			l.doClient(l.client.Tick(l.now))
			l.storing = false // the server's driver is too late
			l.run()
			if want := (Ended{AbortedHere, wire.AbortAttemptTimeout}); !slices.Equal(l.clientEnded, []Ended{want}) {
				t.Fatalf("%s, step %d: client %v", k, steps, l.clientEnded)
			}
			if l.server.State() != ServerSucceeded {
				l.wantNothingStored()
			}
			if l.client.Tick(l.now.Add(time.Hour)) != nil || !l.client.Deadline().IsZero() {
				t.Fatal("it times out again")
			}
		}
	}
}

// Every way to end an attempt early, before every step of every method.
func TestCancelInEveryState(t *testing.T) {
	type way struct {
		name           string
		act            func(l *link)
		server, client Outcome
		reason         string
	}
	ways := []way{
		{"server cancels", func(l *link) { l.doServer(l.server.Cancel()) }, AbortedHere, AbortedByPeer, wire.AbortUserCancelled},
		{"client cancels", func(l *link) { l.doClient(l.client.Cancel()) }, AbortedByPeer, AbortedHere, wire.AbortUserCancelled},
		{"server leaves", func(l *link) {
			l.doServer(l.server.Leave())
			l.toClient = append(l.toClient, &wire.ServerActivate{Activities: []string{}})
		}, Left, Left, ""},
		{"connection drops", func(l *link) {
			l.doServer(l.server.Leave())
			l.doClient(l.client.Dropped())
			l.toClient, l.toServer = nil, nil
		}, Left, Left, ""},
	}
	for _, k := range fourWay {
		for _, w := range ways {
			for steps := 0; ; steps++ {
				l := newLink(t, k)
				l.start()
				for range steps {
					l.step()
				}
				if l.server.State() == ServerSucceeded {
					break // the acknowledgement is out; see TestCutBeforeTheAcknowledgement
				}
				name := fmt.Sprintf("%s, %s, server %s, client %s", k, w.name, l.server.State(), l.client.State())
				w.act(l)
				l.run().wantNothingStored()
				if !slices.Equal(l.serverEnded, []Ended{{w.server, w.reason}}) || len(l.serverClosed) > 0 {
					t.Fatalf("%s: server %v %v", name, l.serverEnded, l.serverClosed)
				}
				if !slices.Equal(l.clientEnded, []Ended{{w.client, w.reason}}) || len(l.clientClosed) > 0 {
					t.Fatalf("%s: client %v %v", name, l.clientEnded, l.clientClosed)
				}
				if l.server.Cancel() != nil || l.server.Leave() != nil || l.server.Stored() != nil || l.client.Cancel() != nil {
					t.Fatalf("%s: it ends twice", name)
				}
				if w.name != "connection drops" { // the next attempt on the connection works
					l.serverEnded, l.clientEnded, l.discarded = nil, nil, nil
					l.connect(2)
					l.start().run().wantPaired()
				}
			}
		}
	}
}

// An attempt that is cut off between the two records leaves one on the server: the
// credential mismatch that a later pairing mends.
func TestCutBeforeTheAcknowledgement(t *testing.T) {
	for _, k := range fourWay {
		l := newLink(t, k)
		l.onWire = func(m wire.Message) wire.Message {
			if _, ok := m.(*wire.ServerPairFinalize); ok {
				return nil
			}
			return m
		}
		l.start().run()
		if l.server.State() != ServerSucceeded || !l.paired.IsZero() {
			t.Fatalf("%s: server %s, client %s", k, l.server.State(), l.client.State())
		}
		l.doClient(l.client.Receive(&wire.ServerActivate{}))
		if !l.paired.IsZero() || l.client.State() != ClientEnded {
			t.Errorf("%s: a server/activate after client/pair-finalize stores something", k)
		}
	}
}

// A source of randomness that fails closes the connection and stores nothing.
func TestRandomnessRunsOut(t *testing.T) {
	for _, k := range fourWay {
		for n := 0; n <= 192; n += 16 { // everything is drawn 32 bytes at a time
			l := newLink(t, k, func(s *ServerConfig, c *ClientConfig) {
				if n >= 32 {
					s.Rand = strings.NewReader(strings.Repeat("x", n))
				}
				c.Rand = strings.NewReader(strings.Repeat("y", n))
			})
			l.start().run()
			if len(l.serverClosed)+len(l.clientClosed) > 0 {
				l.wantNothingStored()
			} else {
				l.wantPaired()
			}
		}
	}
}

func TestDisplace(t *testing.T) {
	for _, k := range fourWay {
		l := newLink(t, k)
		l.start().step()
		effects := l.client.Displace()
		l.doClient(effects)
		if len(effects) != 2 || effects[1] != (Close{}) || l.client.Displace() != nil {
			t.Errorf("%s: %v", k, effects)
		}
		l.run().wantNothingStored()
		if want := (Ended{AbortedByPeer, wire.AbortConcurrentAttempt}); !slices.Contains(l.serverEnded, want) {
			t.Errorf("%s: server %v", k, l.serverEnded)
		}
	}
	l := newLink(t, digits)
	if l.doClient(l.client.Displace()); l.client.Start(l.now) != nil {
		t.Error("a refused connection starts an attempt")
	}
}

// What an attempt held is overwritten when it ends.
func TestSecretsAreWiped(t *testing.T) {
	for _, k := range fourWay {
		for steps := 0; ; steps++ {
			l := newLink(t, k)
			l.start()
			more := true
			for range steps {
				more = l.step()
			}
			serverCode, clientCode := l.server.code.prs(), l.client.code.prs()
			drawn := l.client.psk
			done := l.client.State() == ClientSucceeded
			l.server.Leave()
			l.client.Dropped()
			for _, secret := range [][]byte{serverCode, clientCode, drawn.Bytes(), l.client.nonceB[:]} {
				if strings.Trim(string(secret), "\x00") != "" {
					t.Fatalf("%s, step %d: a secret is left", k, steps)
				}
			}
			if l.server.pake.keys != nil || l.client.pake.keys != nil || l.server.pake.ex != nil || l.client.pake.ex != nil {
				t.Fatalf("%s, step %d: a CPace run is left", k, steps)
			}
			if done || !more {
				break
			}
		}
	}
}

func TestFlowsDoNotPrintSecrets(t *testing.T) {
	l := newLink(t, digits)
	l.start()
	for len(l.shown) == 0 {
		l.step()
	}
	code := strings.ReplaceAll(l.shown[0], "-", "")
	for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(f, l.server) + fmt.Sprintf(f, l.client); strings.Contains(got, code) || len(got) > 200 {
			t.Errorf("%s prints %s", f, got)
		}
	}
	if ServerState(99).String() != "none" || ClientState(-1).String() != "none" || Outcome(9).String() != "unknown" {
		t.Error("states out of range")
	}
}

package channel

import (
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// A server with two keys presents each client the one that the client knows, on the
// first handshake and on every later one.
func TestIdentityForChoosesByClient(t *testing.T) {
	former, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, knowsFormer := range map[string]bool{"former key": true, "current key": false} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			old := p.client.Identity.Public().ID()
			p.server.IdentityFor = func(clientID string) *noise.PrivateKey {
				if knowsFormer && clientID == old {
					return former
				}
				return nil
			}
			want := p.server.Identity.Public().ID()
			if knowsFormer {
				want = former.Public().ID()
			}
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			if c.Peer() != want || s.LocalID() != want {
				t.Fatalf("the client was shown %s, the server says %s, want %s", c.Peer(), s.LocalID(), want)
			}
			fromServer := reading(t, c)
			reading(t, s)
			if err := s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, activate); err != nil {
				t.Fatalf("re-handshake: %v", err)
			}
			if m := <-fromServer; m != "0:"+activateBody {
				t.Errorf("after the re-handshake the client got %q", m)
			}
			if s.Rehandshakes() != 1 || c.Rehandshakes() != 1 {
				t.Errorf("%d and %d re-handshakes, want 1", s.Rehandshakes(), c.Rehandshakes())
			}
			_, _ = s.CloseNow(), c.CloseNow()
		})
	}
}

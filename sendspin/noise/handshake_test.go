package noise

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var suites = []Suite{ChaChaPoly, AESGCM}

// pair is the two ends of a handshake to be.
type pair struct {
	server, client Config
	psk            PSK
}

func newPair(t testing.TB, suite Suite) pair {
	t.Helper()
	server, err := GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	prologue := []byte(`{"type":"client/init"}{"type":"server/init"}`)
	return pair{
		server: Config{Suite: suite, Static: server, Peer: client.Public(), Prologue: prologue, SentinelFallback: true},
		client: Config{Suite: suite, Static: client, Peer: server.Public(), Prologue: prologue, SentinelFallback: true},
		psk:    psk,
	}
}

// holding is a client that holds one PSK in one category.
func holding(psk PSK, cat Category) Lookup {
	return func(id string, c Category) (PSK, bool, error) { return psk, id == psk.ID() && c == cat, nil }
}

func (p pair) run(t testing.TB, cred Credential, lookup Lookup) (server, client *Result) {
	t.Helper()
	ini, msg1, err := NewInitiator(p.server, cred)
	if err != nil {
		t.Fatal(err)
	}
	msg2, client, err := Respond(p.client, lookup, msg1)
	if err != nil {
		t.Fatalf("respond: %v", err)
	}
	server, err = ini.Finish(msg2)
	if err != nil {
		t.Fatalf("finish: %v", err)
	}
	if server.Hash != client.Hash {
		t.Fatalf("hashes differ: %x, %x", server.Hash, client.Hash)
	}
	return server, client
}

func TestHandshakeMatches(t *testing.T) {
	for _, suite := range suites {
		for _, cat := range []Category{LongTerm, Pairing, Sentinel} {
			t.Run(fmt.Sprint(suite, "/", cat), func(t *testing.T) {
				p := newPair(t, suite)
				if cat == Sentinel {
					p.psk = SentinelPSK()
				}
				lookup := holding(p.psk, cat)
				if cat == Sentinel {
					lookup = nil // never asked
				}
				s, c := p.run(t, Credential{p.psk, cat}, lookup)
				if s.Matched != cat || c.Matched != cat || s.Mismatch || c.Mismatch {
					t.Fatalf("server %q %v, client %q %v", s.Matched, s.Mismatch, c.Matched, c.Mismatch)
				}
				talk(t, s.Session, c.Session)
			})
		}
	}
}

// talk sends a few messages each way.
func talk(t testing.TB, a, b *Session) {
	t.Helper()
	for i := range 3 {
		for _, want := range [][]byte{{byte(i)}, bytes.Repeat([]byte{7}, 1000)} {
			sealed, err := a.Seal(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.Open(nil, sealed)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %x, %v", got, err)
			}
		}
		a, b = b, a
	}
}

func TestSentinelFallbackSignalsMismatch(t *testing.T) {
	for _, suite := range suites {
		p := newPair(t, suite)
		other, _ := GeneratePSK(nil)
		for name, lookup := range map[string]Lookup{
			"nothing held":   nil,
			"another PSK":    holding(other, LongTerm),
			"other category": holding(p.psk, Pairing),
		} {
			t.Run(fmt.Sprint(suite, "/", name), func(t *testing.T) {
				s, c := p.run(t, Credential{p.psk, LongTerm}, lookup)
				if s.Matched != Sentinel || !s.Mismatch || c.Matched != Sentinel || !c.Mismatch {
					t.Fatalf("server %q %v, client %q %v", s.Matched, s.Mismatch, c.Matched, c.Mismatch)
				}
				talk(t, s.Session, c.Session)
			})
		}
	}
}

func TestNoFallbackInRehandshake(t *testing.T) {
	p := newPair(t, AESGCM)
	p.client.SentinelFallback = false
	_, msg1, err := NewInitiator(p.server, Credential{p.psk, LongTerm})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Respond(p.client, nil, msg1); !errors.Is(err, ErrNoPSK) {
		t.Fatalf("client: got %v, want ErrNoPSK", err)
	}

	// A client that falls back regardless is refused by the server.
	p.client.SentinelFallback, p.server.SentinelFallback = true, false
	ini, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	msg2, _, err := Respond(p.client, nil, msg1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ini.Finish(msg2); !errors.Is(err, ErrAuth) {
		t.Fatalf("server: got %v, want ErrAuth", err)
	}
}

func TestMisboundRecordFails(t *testing.T) {
	p := newPair(t, ChaChaPoly)
	misbound := errors.New("record of another server")
	_, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	_, _, err := Respond(p.client, func(string, Category) (PSK, bool, error) { return PSK{}, false, misbound }, msg1)
	if !errors.Is(err, misbound) {
		t.Fatalf("got %v, want the lookup's error", err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	stranger, _ := GenerateKey(nil)
	for name, spoil := range map[string]func(*pair){
		"wrong server identity": func(p *pair) { p.client.Peer = stranger.Public() },
		"wrong client identity": func(p *pair) { p.server.Peer = stranger.Public() },
		"other prologue":        func(p *pair) { p.client.Prologue = append(bytes.Clone(p.client.Prologue), ' ') },
		"other suite":           func(p *pair) { p.client.Suite = ChaChaPoly },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, AESGCM)
			spoil(&p)
			_, msg1, err := NewInitiator(p.server, Credential{p.psk, LongTerm})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Respond(p.client, holding(p.psk, LongTerm), msg1); !errors.Is(err, ErrAuth) {
				t.Fatalf("got %v, want ErrAuth", err)
			}
		})
	}
}

// A PSK of the right id but different bytes on the server shows in message 2 only.
func TestWrongPSKFailsAtServer(t *testing.T) {
	p := newPair(t, AESGCM)
	ini, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	ini.cred.PSK, _ = GeneratePSK(nil)
	msg2, _, err := Respond(p.client, holding(p.psk, LongTerm), msg1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ini.Finish(msg2); !errors.Is(err, ErrAuth) {
		t.Fatalf("got %v, want ErrAuth", err)
	}
	if _, err := ini.Finish(msg2); !errors.Is(err, ErrDead) {
		t.Fatalf("second finish: got %v, want ErrDead", err)
	}
}

func TestTamperEveryByteOfMessage1(t *testing.T) {
	for _, suite := range suites {
		p := newPair(t, suite)
		_, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
		for i := range msg1 {
			bad := bytes.Clone(msg1)
			bad[i] ^= 1 << (i % 8)
			if _, _, err := Respond(p.client, holding(p.psk, LongTerm), bad); !errors.Is(err, ErrAuth) {
				t.Fatalf("%s byte %d: got %v, want ErrAuth", suite, i, err)
			}
		}
		for n := range msg1 {
			if _, _, err := Respond(p.client, holding(p.psk, LongTerm), msg1[:n]); err == nil {
				t.Fatalf("%s: truncation to %d bytes passed", suite, n)
			}
		}
	}
}

func TestTamperEveryByteOfMessage2(t *testing.T) {
	for _, suite := range suites {
		for _, lookup := range []Lookup{nil, func(id string, _ Category) (PSK, bool, error) { return PSK{}, false, nil }} {
			p := newPair(t, suite)
			for i := range message2Length {
				ini, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
				msg2, _, err := Respond(p.client, lookup, msg1)
				if err != nil || len(msg2) != message2Length {
					t.Fatalf("message 2 has %d bytes, %v", len(msg2), err)
				}
				msg2[i] ^= 0x80
				// The top bit of a Curve25519 coordinate is ignored by the curve but not by the hash.
				if _, err := ini.Finish(msg2); !errors.Is(err, ErrAuth) {
					t.Fatalf("%s byte %d: got %v, want ErrAuth", suite, i, err)
				}
			}
		}
	}
}

func TestLowOrderKeysAreNotRetried(t *testing.T) {
	p := newPair(t, AESGCM)
	ini, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	msg2, _, _ := Respond(p.client, nil, msg1) // under the Sentinel: a retry would be tempting
	clear(msg2[:32])
	if _, err := ini.Finish(msg2); !errors.Is(err, ErrDH) {
		t.Fatalf("message 2: got %v, want ErrDH", err)
	}
	clear(msg1[:32])
	if _, _, err := Respond(p.client, nil, msg1); !errors.Is(err, ErrDH) {
		t.Fatalf("message 1: got %v, want ErrDH", err)
	}
	p.server.Peer = PublicKey{}
	if _, _, err := NewInitiator(p.server, Credential{p.psk, LongTerm}); !errors.Is(err, ErrDH) {
		t.Fatalf("zero client_id: got %v, want ErrDH", err)
	}
}

func TestMessage2MustCarryTheEmptyObject(t *testing.T) {
	p := newPair(t, ChaChaPoly)
	for _, payload := range []string{"", "{", "{}{", "{ }", "[]", "  "} {
		ini, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
		state, _, err := newState(p.client, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := state.ReadMessage(nil, msg1); err != nil {
			t.Fatal(err)
		}
		if err := state.SetPresharedKey(p.psk.b()[:]); err != nil {
			t.Fatal(err)
		}
		msg2, _, _, err := state.WriteMessage(nil, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		want := ErrLength
		if len(payload) == 2 {
			want = ErrPayload
		}
		if _, err := ini.Finish(msg2); !errors.Is(err, want) {
			t.Errorf("payload %q: got %v, want %v", payload, err, want)
		}
	}
}

func TestHandshakeMessageLimits(t *testing.T) {
	p := newPair(t, AESGCM)
	if _, _, err := Respond(p.client, nil, make([]byte, MaxMessage+1)); !errors.Is(err, ErrLength) {
		t.Errorf("oversize message 1: got %v", err)
	}
	ini, _, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	if _, err := ini.Finish(make([]byte, MaxMessage+1)); !errors.Is(err, ErrLength) {
		t.Errorf("oversize message 2: got %v", err)
	}
}

func TestCredentialMustBeConsistent(t *testing.T) {
	p := newPair(t, AESGCM)
	for _, cred := range []Credential{{}, {p.psk, Sentinel}, {SentinelPSK(), LongTerm}, {p.psk, "xx"}, {PSK{}, LongTerm}} {
		if _, _, err := NewInitiator(p.server, cred); err == nil {
			t.Errorf("credential of category %q passed", cred.Category)
		}
	}
	p.server.Suite = "25519_AESGCM_SHA512"
	if _, _, err := NewInitiator(p.server, Credential{p.psk, LongTerm}); err == nil {
		t.Error("unknown suite passed")
	}
}

func TestBrokenLookupFails(t *testing.T) {
	p := newPair(t, AESGCM)
	_, msg1, _ := NewInitiator(p.server, Credential{p.psk, LongTerm})
	other, _ := GeneratePSK(nil)
	_, _, err := Respond(p.client, func(string, Category) (PSK, bool, error) { return other, true, nil }, msg1)
	if err == nil || !strings.Contains(err.Error(), "another pre-shared key") {
		t.Fatalf("got %v", err)
	}
}

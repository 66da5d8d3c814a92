package noise

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzPayload1(f *testing.F) {
	f.Add(encodePayload1(SentinelPSKID(), Sentinel))
	f.Add([]byte(`{"psk_id":null,"psk_category":"lt"}`))
	f.Add([]byte(`{"PSK_ID":"` + SentinelPSKID() + `","psk_category":"pr","x":[{}]}`))
	f.Add([]byte("[]"))
	f.Add([]byte("null"))
	f.Add([]byte("{}{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, cat, err := decodePayload1(b)
		if err != nil {
			if !errors.Is(err, ErrPayload) || id != "" || cat != "" {
				t.Fatalf("got %q %q %v", id, cat, err)
			}
			return
		}
		if !cat.Valid() || len(id) != idLength {
			t.Fatalf("accepted %q %q", id, cat)
		}
		again, cat2, err := decodePayload1(encodePayload1(id, cat))
		if err != nil || again != id || cat2 != cat {
			t.Fatalf("does not round trip: %q %q %v", again, cat2, err)
		}
	})
}

// FuzzMessage1 and FuzzMessage2 hand arbitrary bytes to each end: nothing but the
// genuine message may pass.
func FuzzMessage1(f *testing.F) {
	p := fixedPair(f)
	_, msg1, err := NewInitiator(p.server, Credential{p.psk, LongTerm})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg1)
	f.Add(msg1[:47])
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, err := Respond(p.client, holding(p.psk, LongTerm), b)
		if (err == nil) != bytes.Equal(b, msg1) {
			t.Fatalf("%x: %v", b, err)
		}
	})
}

func FuzzMessage2(f *testing.F) {
	p := fixedPair(f)
	start := func() (*Initiator, []byte) {
		p.server.Rand = bytes.NewReader(bytes.Repeat([]byte{3}, 32))
		ini, msg1, err := NewInitiator(p.server, Credential{p.psk, LongTerm})
		if err != nil {
			f.Fatal(err)
		}
		return ini, msg1
	}
	_, msg1 := start()
	genuine := map[string]Category{}
	for cat, lookup := range map[Category]Lookup{LongTerm: holding(p.psk, LongTerm), Sentinel: nil} {
		p.client.Rand = bytes.NewReader(bytes.Repeat([]byte{4}, 32))
		msg2, _, err := Respond(p.client, lookup, msg1)
		if err != nil {
			f.Fatal(err)
		}
		genuine[string(msg2)] = cat
		f.Add(msg2)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ini, _ := start()
		res, err := ini.Finish(b)
		cat, ok := genuine[string(b)]
		if (err == nil) != ok || ok && res.Matched != cat {
			t.Fatalf("%x: %v", b, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(make([]byte, Overhead), true)
	f.Fuzz(func(t *testing.T, b []byte, chacha bool) {
		suite := AESGCM
		if chacha {
			suite = ChaChaPoly
		}
		p := fixedPair(t)
		p.server.Suite, p.client.Suite = suite, suite
		s, c := p.run(t, Credential{p.psk, LongTerm}, holding(p.psk, LongTerm))
		if _, err := c.Session.Open(nil, b); err == nil {
			t.Fatalf("opened %x", b)
		}
		if _, err := s.Session.Seal(nil, b); err != nil && len(b) <= MaxPlaintext {
			t.Fatal(err)
		}
	})
}

// fixedPair has the same keys in each process, so that a finding can be repeated.
func fixedPair(t testing.TB) pair {
	t.Helper()
	server, err := NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewPrivateKey(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	psk, err := NewPSK(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Suite: AESGCM, Prologue: []byte("p"), SentinelFallback: true}
	p := pair{server: cfg, client: cfg, psk: psk}
	p.server.Static, p.server.Peer = server, client.Public()
	p.client.Static, p.client.Peer = client, server.Public()
	p.server.Rand = bytes.NewReader(bytes.Repeat([]byte{5}, 32))
	return p
}

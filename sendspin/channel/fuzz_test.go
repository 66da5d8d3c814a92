package channel

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// script turns fuzz input into a sequence of plaintexts: a length byte before each.
func script(b []byte) (plains [][]byte) {
	for len(b) > 0 && len(plains) < 500 { // what an in-memory transport holds
		n := min(int(b[0]), len(b)-1)
		plains = append(plains, b[1:1+n])
		b = b[1+n:]
	}
	return plains
}

// FuzzReassembly compares the assembler with the specification's rules written down
// a second time.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte("\x04\x01\x02\x08a\x03\x01\x01b"))
	f.Add([]byte("\x05\x01\x03\x08ab\x02\x00\x00"))
	f.Add([]byte("\x03\x01\x02\x63\x02\x01\x00\x02\x01\x01\x02\x08x"))
	f.Add([]byte("\x03\x01\x02\x01"))
	const limit = 64
	f.Fuzz(func(t *testing.T, b []byte) {
		a := assembler{limit: limit, implements: func(id byte) bool { return id != 99 }}
		var want []byte
		inFlight, orig := false, byte(0)
		for _, p := range script(b) {
			id, payload, complete, err := a.add(p)
			ok := legal(p, inFlight)
			if !ok {
				if err == nil {
					t.Fatalf("%x passed, in flight %v", p, inFlight)
				}
				return
			}
			switch {
			case p[0] != 1:
				inFlight, orig, want = false, p[0], p[1:]
			case p[1]&2 != 0:
				inFlight, orig, want = p[1]&1 == 0, p[2], bytes.Clone(p[3:])
			default:
				inFlight, want = p[1]&1 == 0, append(want, p[2:]...)
			}
			dropped := p[0] == 1 && orig == 99
			if len(want) > limit && !dropped {
				if !errors.Is(err, ErrTooLarge) {
					t.Fatalf("%d bytes: %v", len(want), err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%x, in flight before: %v", p, err)
			}
			if complete != (!inFlight && !dropped) || complete && (id != orig || !bytes.Equal(payload, want)) {
				t.Fatalf("got %v %d %x, want %d %x", complete, id, payload, orig, want)
			}
		}
	})
}

// legal is section "Fragmentation", "Malformed sequences".
func legal(p []byte, inFlight bool) bool {
	switch {
	case len(p) == 0:
		return false
	case p[0] != 1:
		return !inFlight
	case len(p) < 2 || p[1]&^3 != 0:
		return false
	case p[1]&2 == 0:
		return inFlight
	default:
		return !inFlight && len(p) >= 3 && p[2] != 1
	}
}

// FuzzTransportFrames gives an open connection arbitrary frames: nothing but a
// genuine one may come out.
func FuzzTransportFrames(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte(`{"type":"client/time","payload":{}}`), true)
	f.Add(make([]byte, 17), false)
	f.Fuzz(func(t *testing.T, frame []byte, text bool) {
		p := newParties(t)
		st, ct := newMemory()
		s, c := p.open(t, st, ct)
		mustWrite(t, c, 0, "{}")
		expect(t, s, 0, "{}")
		if err := ct.Write(context.Background(), text, frame); err != nil {
			t.Fatal(err)
		}
		if id, payload, err := s.Read(ctxFor(t)); err == nil {
			t.Fatalf("%x came out as %d %x", frame, id, payload)
		}
		if s.Err() == nil {
			t.Fatal("the connection lives")
		}
	})
}

// FuzzPlaintexts gives the reader arbitrary authenticated plaintexts, as from a
// hostile but paired peer, on both ends.
func FuzzPlaintexts(f *testing.F) {
	f.Add([]byte("\x02\x00{"))
	f.Add([]byte("\x04\x01\x02\x08a\x03\x01\x01b"))
	hs, _ := codec.Encode(&wire.NoiseHandshake{Data: make([]byte, 60)})
	f.Add(append([]byte{byte(len(hs) + 1), 0}, hs...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newParties(t)
		for _, fromServer := range []bool{true, false} {
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			from, to := s, c
			if !fromServer {
				from, to = c, s
			}
			for _, plain := range script(b) {
				_ = from.WritePlain(context.Background(), plain) // empty ones are refused
			}
			to.t = finite{to.t.(*memory)} // nothing more will come
			for to.Err() == nil {
				_, _, _ = to.Read(context.Background())
			}
		}
	})
}

// FuzzHandshakeMessages gives each side of OpenServer and OpenClient arbitrary
// cleartext: an error, and never a connection.
func FuzzHandshakeMessages(f *testing.F) {
	p := newParties(f)
	init, _ := codec.Encode(&wire.ClientInit{ClientID: p.client.Identity.Public().ID(), Version: 1, Suite: wire.SuiteAESGCM})
	reply, _ := codec.Encode(&wire.ServerInit{ServerID: p.server.Identity.Public().ID(), Version: 1})
	hs, _ := codec.Encode(&wire.NoiseHandshake{Data: make([]byte, 50)})
	f.Add(init, hs)
	f.Add(reply, hs)
	f.Add([]byte(`{"type":"server/error","payload":{"reason":"malformed"}}`), []byte{})
	f.Add([]byte("{"), []byte("}"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		for _, server := range []bool{true, false} {
			st, ct := newMemory()
			end, other := st, ct
			if !server {
				end, other = ct, st
			}
			for _, m := range [][]byte{one, two} {
				if err := other.Write(context.Background(), true, m); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if server {
				// Nothing more will come, so a read beyond ends the transport.
				_, err = OpenServer(context.Background(), finite{end}, p.server)
			} else {
				_, err = OpenClient(context.Background(), finite{end}, p.client)
			}
			if err == nil {
				t.Fatalf("opened by %q %q", one, two)
			}
			if n := len(end.messages()); n > 2 {
				t.Fatalf("said %d messages", n)
			}
		}
	})
}

// finite ends when nothing more is queued.
type finite struct{ *memory }

func (f finite) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case m := <-f.in:
		return m.text, m.data, nil
	default:
		return false, nil, noise.ErrDead
	}
}

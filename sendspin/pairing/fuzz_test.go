package pairing

import (
	"errors"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"123-456", "1234 5678", "SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y", "１２３４５６", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, k := range []kind{digits, qr, static} {
			code, err := ParseCode(k.method, k.format, in)
			if err != nil {
				if !errors.Is(err, ErrCodeLength) && !errors.Is(err, ErrCodeDigits) && !errors.Is(err, ErrCodeToken) {
					t.Fatalf("%s: %v", k, err)
				}
				continue
			}
			if again, err := ParseCode(k.method, k.format, code.Text()); err != nil || !again.Equal(code) {
				t.Fatalf("%s: what is shown is not what was entered: %v", k, err)
			}
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte{}, make([]byte, WrappedLen), true)
	f.Fuzz(func(t *testing.T, isk, wrapped []byte, gcm bool) {
		suite := noise.ChaChaPoly
		if gcm {
			suite = noise.AESGCM
		}
		got, err := Unwrap(suite, LabelPSK, nil, isk, wrapped)
		if err == nil { // the input is a sealed value, so sealing gives it back
			if again, err := Wrap(suite, LabelPSK, nil, isk, got); err != nil || string(again) != string(wrapped) {
				t.Fatalf("%x opens to what does not seal to it", wrapped)
			}
		} else if !errors.Is(err, ErrUnwrap) || got != [32]byte{} {
			t.Fatal(got, err)
		}
	})
}

// FuzzReceive gives both flows what an attacker may write, at any step.
func FuzzReceive(f *testing.F) {
	codec := wire.Current()
	for _, k := range fourWay {
		for i, m := range samples(k) {
			b, err := codec.Encode(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, uint8(i), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, which, steps uint8) {
		l := newLink(t, fourWay[int(which)%len(fourWay)])
		l.start()
		for range steps % 16 {
			l.step()
		}
		if m, err := codec.DecodeFromClient(b); err == nil {
			l.doServer(l.server.Receive(m))
		}
		if m, err := codec.DecodeFromServer(b); err == nil {
			l.doClient(l.client.Receive(m))
		}
		l.run()
		l.wantSound()
	})
}

// wantSound is what holds in a code-based pairing whatever messages somebody makes up
// or repeats: a record is of the PSK that the device drew in this attempt.
func (l *link) wantSound() {
	l.t.Helper()
	if l.kind == psk {
		return // the Noise session protects it
	}
	for _, record := range []noise.PSK{l.paired, l.verified} {
		if !record.IsZero() && !record.Equal(l.drawn) {
			l.t.Fatal("a record of something else than the device's PSK")
		}
	}
}

// FuzzAttempt lets a program of bytes play network, operators and clock.
func FuzzAttempt(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{2, 0, 10, 3, 0, 20, 7, 0, 0, 0, 30, 0, 0, 8, 0})
	f.Add([]byte{3, 0, 40, 1, 2, 0, 0, 50, 0, 60, 0, 0, 11, 0, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 200 {
			return
		}
		l := newLink(t, fourWay[int(program[0])%len(fourWay)])
		p := &player{l: l, rest: program[1:], index: 1}
		l.operator = p.code
		l.onWire = func(m wire.Message) wire.Message {
			p.seen = append(p.seen, m)
			return m
		}
		l.start()
		for len(p.rest) > 0 {
			p.act()
			l.wantSound()
		}
	})
}

// player carries out a fuzzer's program.
type player struct {
	l     *link
	rest  []byte
	seen  []wire.Message
	wrong bool
	index uint32
}

func (p *player) next() int {
	if len(p.rest) == 0 {
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return int(b)
}

func (p *player) code(uint32) string {
	l := p.l
	if p.wrong && len(l.shown) > 0 {
		return l.wrong()
	}
	switch {
	case l.kind == static:
		return staticDigits
	case len(l.shown) > 0:
		return l.shown[len(l.shown)-1]
	case l.kind == qr:
		return newCode(make([]byte, QRLen), true).Text()
	}
	return "123456"
}

func (p *player) act() {
	l := p.l
	switch op := p.next() % 16; op {
	default: // most of the time things go on
		l.step()
	case 8: // a message of the attacker's
		all := samples(l.kind)
		m := all[p.next()%len(all)]
		if p.next()%2 == 0 {
			l.doServer(l.server.Receive(m))
		} else {
			l.doClient(l.client.Receive(m))
		}
	case 9: // a message again, to either side
		if len(p.seen) > 0 {
			m := p.seen[p.next()%len(p.seen)]
			l.doServer(l.server.Receive(m))
			l.doClient(l.client.Receive(m))
		}
	case 10: // a message is lost
		if len(l.toServer) > 0 {
			l.toServer = l.toServer[1:]
		}
	case 11:
		p.wrong = !p.wrong
	case 12:
		l.doServer(l.server.Cancel())
	case 13:
		l.doClient(l.client.Cancel())
	case 14:
		l.now = l.now.Add(AttemptTimeout / 2)
		l.doClient(l.client.Tick(l.now))
	case 15: // another attempt
		l.doServer(l.server.Leave())
		l.doClient(l.client.Receive(&wire.ServerActivate{}))
		l.rounds.Reset()
		l.window.Open(l.now)
		p.index++
		l.verified, l.paired = noise.PSK{}, noise.PSK{}
		l.connect(p.index)
		l.start()
	}
}

package pairing

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing/cpace"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Somebody in the middle who holds one Noise connection to each side and passes all
// messages on: the hashes differ, so key confirmation fails whatever the code, and
// nothing sealed ever leaves the device.
func TestManInTheMiddleWithTwoHandshakes(t *testing.T) {
	for _, k := range []kind{digits, qr, static} {
		l := newLink(t, k, func(s *ServerConfig, _ *ClientConfig) { s.Hash[0] ^= 1 })
		l.onWire = func(m wire.Message) wire.Message {
			switch m.(type) {
			case *wire.ClientPairConfirm, *wire.ClientPairFinalize:
				t.Errorf("%s: the device sends %s", k, m.Type())
			}
			return m
		}
		l.start().run().wantNothingStored()
		if want := (Ended{AbortedHere, wire.AbortCodeMismatch}); !slices.Equal(l.clientEnded, []Ended{want}) {
			t.Errorf("%s: client %v", k, l.clientEnded)
		}
		if k.method == wire.MethodDynamicCode && (len(l.shown) != RoundLimit || !l.rounds.Held()) {
			t.Errorf("%s: %d rounds", k, len(l.shown))
		}
	}
}

// The same in the middle of a replayed index: a sid of another activation or round.
func TestSessionIDBindsActivationAndRound(t *testing.T) {
	l := newLink(t, static, func(s *ServerConfig, c *ClientConfig) { s.Index, c.Index = 1, 2 })
	l.onWire = func(m wire.Message) wire.Message {
		if m, ok := m.(*wire.ClientPairInit); ok {
			m.PairingIndex = 1
		}
		return m
	}
	l.start().run().wantNothingStored()

	l = newLink(t, digits)
	l.client.round = 2 // as if one side had missed a retry
	l.client.state = ClientOpening
	l.client.code = newCode([]byte("123456"), false)
	l.rounds.Limit = 1
	commit := Commit([32]byte{})
	l.operator = func(uint32) string { return "123456" }
	l.onWire = func(m wire.Message) wire.Message {
		if m, ok := m.(*wire.ServerPairInit); ok {
			m.Nonce = nil
		}
		return m
	}
	l.doServer(l.server.Receive(&wire.ClientPairInit{PairingIndex: 1, Commit: commit[:]}))
	l.run().wantNothingStored()
	if l.client.State() != ClientAborted {
		t.Errorf("client %s", l.client.State())
	}
}

// Every byte of every field, changed on its way in every round, by one bit each.
func TestTamperingOfEveryField(t *testing.T) {
	type end struct {
		server, client error // of Close
		reason         string
	}
	mismatch := end{reason: wire.AbortCodeMismatch}
	want := map[string]end{
		"client/pair-init.Commit":          {server: ErrCommitment},
		"server/pair-init.Nonce":           {server: ErrBinding},
		"server/pair-auth.PAKEMsg1":        mismatch,
		"client/pair-auth.PAKEMsg2":        mismatch,
		"server/pair-confirm.ServerKC":     mismatch,
		"client/pair-confirm.ClientKC":     mismatch,
		"client/pair-confirm.WrappedNonce": {server: ErrUnwrap},
		"client/pair-finalize.WrappedPSK":  {server: ErrUnwrap},
	}
	seen := map[string]bool{}
	for _, k := range []kind{digits, qr, static} {
		for _, f := range fields(t, k) {
			seen[f.name] = true
			step := 1
			if k == qr {
				step = 7 // the fields are those of the digits
			}
			for i := 0; i < f.size; i += step {
				l := newLink(t, k)
				l.rounds.Limit = 1
				l.onWire = func(m wire.Message) wire.Message {
					if m.Type() == f.message {
						fieldOf(m, f.field)[i] ^= 1 << (i % 8)
					}
					return m
				}
				l.start().run().wantNothingStored()
				w := want[f.name]
				checkClosed(t, f.name, l.serverClosed, w.server)
				checkClosed(t, f.name, l.clientClosed, w.client)
				for _, e := range slices.Concat(l.serverEnded, l.clientEnded) {
					if e.Reason != w.reason {
						t.Fatalf("%s byte %d: %v", f.name, i, e)
					}
				}
				if w.reason != "" && (len(l.serverEnded) != 1 || len(l.clientEnded) != 1) {
					t.Fatalf("%s byte %d: server %v, client %v", f.name, i, l.serverEnded, l.clientEnded)
				}
			}
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s was not tampered with", name)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("fields %v", seen)
	}
}

func checkClosed(t *testing.T, name string, got []error, want error) {
	t.Helper()
	if want == nil && len(got) == 0 {
		return
	}
	if len(got) != 1 || !errors.Is(got[0], want) {
		t.Fatalf("%s: closed for %v, want %v", name, got, want)
	}
}

// field is a byte field of a message.
type field struct {
	name, message, field string
	size                 int
}

// fields lists the byte fields that an honest exchange sends.
func fields(t *testing.T, k kind) (list []field) {
	l := newLink(t, k)
	l.onWire = func(m wire.Message) wire.Message {
		v := reflect.ValueOf(m).Elem()
		for i := range v.NumField() {
			if b, ok := v.Field(i).Interface().([]byte); ok && len(b) > 0 {
				name := v.Type().Field(i).Name
				list = append(list, field{m.Type() + "." + name, m.Type(), name, len(b)})
			}
		}
		return m
	}
	l.start().run().wantPaired()
	return list
}

func fieldOf(m wire.Message, name string) []byte {
	return reflect.ValueOf(m).Elem().FieldByName(name).Bytes()
}

// device is a device under an attacker's control: it runs CPace on a code of its own
// choosing and reveals what it likes.
type device struct {
	nonceB   [32]byte // what it commits to
	reveal   [32]byte // what it opens
	code     Code     // what it shows
	psk      [32]byte
	wrapWith noise.Suite
}

// attack plays the device against a server whose operator enters what is shown.
func (d device) attack(t *testing.T) *link {
	t.Helper()
	l := newLink(t, digits)
	session := l.server.cfg.Session
	commit := Commit(d.nonceB)
	l.doServer(l.server.Receive(&wire.ClientPairInit{PairingIndex: 1, Commit: commit[:]}))
	nonceA := [32]byte(l.toClient[0].(*wire.ServerPairInit).Nonce)
	if d.code.IsZero() {
		d.code = Current().Digits(session.Hash, nonceA, d.nonceB, DigitsLen)
	}
	effects, err := l.server.EnterCode(d.code.Text())
	if err != nil {
		t.Fatal(err)
	}
	l.doServer(effects)
	var r round
	share, err := r.start(cpace.Responder, session, 1, d.code, nil)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := r.finish(l.toClient[1].(*wire.ServerPairAuth).PAKEMsg1)
	if err != nil {
		t.Fatal(err)
	}
	l.doServer(l.server.Receive(&wire.ClientPairAuth{PAKEMsg2: share}))
	if !r.verify(l.toClient[2].(*wire.ServerPairConfirm).ServerKC) {
		t.Fatal("the server has another code")
	}
	r.suite = d.wrapWith
	nonce, err1 := r.wrap(LabelNonce, d.reveal)
	wrapped, err2 := r.wrap(LabelPSK, d.psk)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	l.doServer(l.server.Receive(&wire.ClientPairConfirm{ClientKC: tag, WrappedNonce: nonce}))
	l.doServer(l.server.Receive(&wire.ClientPairFinalize{WrappedPSK: wrapped}))
	return l
}

func TestDevicesThatCheat(t *testing.T) {
	n, other := [32]byte{4}, [32]byte{5}
	chosen := newCode([]byte("123456"), false)
	sentinel := [32]byte(noise.SentinelPSK().Bytes())
	for name, c := range map[string]struct {
		d    device
		want error
	}{
		"reveals another nonce":             {device{nonceB: n, reveal: other, wrapWith: noise.ChaChaPoly}, ErrCommitment},
		"shows a code of its choosing":      {device{nonceB: n, reveal: n, code: chosen, wrapWith: noise.ChaChaPoly}, ErrBinding},
		"both":                              {device{nonceB: n, reveal: other, code: chosen, wrapWith: noise.ChaChaPoly}, ErrCommitment},
		"seals with another suite":          {device{nonceB: n, reveal: n, wrapWith: noise.AESGCM}, ErrUnwrap},
		"gives a published constant as PSK": {device{nonceB: n, reveal: n, psk: sentinel, wrapWith: noise.ChaChaPoly}, ErrPSK},
	} {
		l := c.d.attack(t)
		l.wantNothingStored()
		checkClosed(t, name, l.serverClosed, c.want)
	}
	l := device{nonceB: n, reveal: n, wrapWith: noise.ChaChaPoly}.attack(t)
	if l.server.State() != ServerStoring || l.verified.IsZero() {
		t.Fatal("the honest device fails: the others prove nothing")
	}
}

// A server that does not know the code learns nothing that is sealed: it gets a retry.
func TestServerThatGuesses(t *testing.T) {
	l := newLink(t, digits)
	l.operator = func(uint32) string { return l.wrong() }
	sealed := 0
	l.onWire = func(m wire.Message) wire.Message {
		switch m.(type) {
		case *wire.ClientPairConfirm, *wire.ClientPairFinalize:
			sealed++
		}
		return m
	}
	l.start().run()
	if sealed > 0 {
		t.Error("the device reveals something to a guess")
	}
}

// A reflected share or tag is no proof.
func TestReflection(t *testing.T) {
	l := newLink(t, static)
	var ya, ta []byte
	l.onWire = func(m wire.Message) wire.Message {
		switch m := m.(type) {
		case *wire.ServerPairAuth:
			ya = m.PAKEMsg1
			return nil
		case *wire.ServerPairConfirm:
			ta = m.ServerKC
			return nil
		}
		return m
	}
	l.start().run()
	l.doServer(l.server.Receive(&wire.ClientPairAuth{PAKEMsg2: ya}))
	l.run()
	l.doServer(l.server.Receive(&wire.ClientPairConfirm{ClientKC: ta}))
	l.wantNothingStored()
	if want := (Ended{AbortedHere, wire.AbortCodeMismatch}); !slices.Equal(l.serverEnded, []Ended{want}) {
		t.Errorf("server %v", l.serverEnded)
	}
}

// The order of section "Server verification": a wrong tag is a mismatch, whatever else
// is wrong with the message.
func TestTheTagIsCheckedFirst(t *testing.T) {
	l := newLink(t, digits)
	l.onWire = func(m wire.Message) wire.Message {
		if m, ok := m.(*wire.ClientPairConfirm); ok {
			m.ClientKC[0] ^= 1
			m.WrappedNonce[0] ^= 1
		}
		return m
	}
	l.start().run().wantNothingStored()
	if want := (Ended{AbortedHere, wire.AbortCodeMismatch}); !slices.Equal(l.serverEnded, []Ended{want}) || l.serverClosed != nil {
		t.Errorf("server %v %v", l.serverEnded, l.serverClosed)
	}
	if !slices.Equal(l.discarded, []string{wire.TypeClientPairFinalize}) {
		t.Errorf("discarded %v: client/pair-finalize is under way when the server aborts", l.discarded)
	}
}

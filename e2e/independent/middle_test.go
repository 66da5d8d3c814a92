package independent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/flynn/noise"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// middle is a man in the middle who can do everything but break cryptography: to a
// device it is a server with a key of its own, to the server a device with a key of
// its own, each leg a Noise session on the Sentinel. It reads and passes on what both
// sides say.
type middle struct {
	url    string // where devices find it
	target string
	server noise.DHKey // its key towards devices
	client noise.DHKey // its key towards the server

	mu   sync.Mutex
	read []string // what it saw, in clear: "device: {...}", "server: {...}"
	ends []string // why a relayed connection ended
}

// leg is one of the two Noise sessions.
type leg struct {
	w        *ws
	enc, dec *noise.CipherState
}

func newMiddle(t testing.TB, target string) *middle {
	m := &middle{target: target, server: newKey(t), client: newKey(t)}
	var running sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		c, err := acceptWS(w, r)
		if err == nil {
			err = m.relay(c)
			_ = c.c.Close()
		}
		m.mu.Lock()
		m.ends = append(m.ends, fmt.Sprint(err))
		m.mu.Unlock()
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		running.Wait()
	})
	m.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/sendspin"
	return m
}

// id is the client_id under which the server sees the device.
func (m *middle) id() string { return idOf(m.client) }

// saw tells whether a message of this type passed from that side.
func (m *middle) saw(side, typ string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.read, func(s string) bool {
		return strings.HasPrefix(s, side+": ") && strings.Contains(s, `"`+typ+`"`)
	})
}

// relay runs one connection of a device until either side ends it.
func (m *middle) relay(c *ws) error {
	device, suite, err := m.deceiveDevice(c)
	if err != nil {
		return err
	}
	server, err := m.deceiveServer(suite)
	if err != nil {
		return err
	}
	defer func() { _ = server.w.c.Close() }()
	up := make(chan error, 1)
	go func() {
		up <- m.pass("device", device, server)
		_ = server.w.c.Close()
	}()
	err = m.pass("server", server, device)
	_ = device.w.c.Close()
	return errors.Join(err, <-up)
}

// deceiveDevice is the server's side of a handshake.
func (m *middle) deceiveDevice(c *ws) (*leg, string, error) {
	_, init, err := c.readWithin(patience)
	if err != nil {
		return nil, "", err
	}
	var hello struct {
		Payload struct {
			ClientID string `json:"client_id"`
			Suite    string
		}
	}
	if err := json.Unmarshal(init, &hello); err != nil {
		return nil, "", err
	}
	peer, err := b64.DecodeString(hello.Payload.ClientID)
	if err != nil {
		return nil, "", err
	}
	answer := fmt.Appendf(nil, `{"type":"server/init","payload":{"server_id":%q,"version":1}}`, idOf(m.server))
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: cipherSuite(hello.Payload.Suite), Pattern: noise.HandshakeKK, Initiator: true,
		Prologue: bytes.Join([][]byte{init, answer}, nil), StaticKeypair: m.server, PeerStatic: peer,
		PresharedKey: sentinel(), PresharedKeyPlacement: 2,
	})
	if err != nil {
		return nil, "", err
	}
	msg1, _, _, err := hs.WriteMessage(nil, fmt.Appendf(nil, `{"psk_id":%q,"psk_category":"sn"}`, pskID(sentinel())))
	if err != nil {
		return nil, "", err
	}
	if err := errors.Join(c.text(answer), c.text(handshakeJSON(msg1))); err != nil {
		return nil, "", err
	}
	msg2, err := handshakeData(c)
	if err != nil {
		return nil, "", err
	}
	_, enc, dec, err := hs.ReadMessage(nil, msg2)
	return &leg{w: c, enc: enc, dec: dec}, hello.Payload.Suite, err
}

// deceiveServer is the device's side of a handshake.
func (m *middle) deceiveServer(suite string) (*leg, error) {
	w, err := dial(m.target)
	if err != nil {
		return nil, err
	}
	l := &leg{w: w}
	if err := m.introduce(l, suite); err != nil {
		_ = w.c.Close()
		return nil, err
	}
	return l, nil
}

func (m *middle) introduce(l *leg, suite string) error {
	init := clientInit(idOf(m.client), suite)
	if err := l.w.text(init); err != nil {
		return err
	}
	_, raw, err := l.w.readWithin(patience)
	if err != nil {
		return err
	}
	var answer struct {
		Payload struct {
			ServerID string `json:"server_id"`
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return err
	}
	peer, err := b64.DecodeString(answer.Payload.ServerID)
	if err != nil {
		return err
	}
	hs, err := responder(suite, bytes.Join([][]byte{init, raw}, nil), m.client, peer)
	if err != nil {
		return err
	}
	msg1, err := handshakeData(l.w)
	if err != nil {
		return err
	}
	if _, _, _, err := hs.ReadMessage(nil, msg1); err != nil {
		return err
	}
	if err := hs.SetPresharedKey(sentinel()); err != nil {
		return err
	}
	msg2, dec, enc, err := hs.WriteMessage(nil, []byte("{}"))
	if err != nil {
		return err
	}
	l.enc, l.dec = enc, dec
	return l.w.text(handshakeJSON(msg2))
}

// handshakeData reads one noise/handshake in clear.
func handshakeData(w *ws) ([]byte, error) {
	_, raw, err := w.readWithin(patience)
	if err != nil {
		return nil, err
	}
	var m struct{ Payload struct{ Data string } }
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	return b64.DecodeString(m.Payload.Data)
}

// pass opens what comes on one leg and seals it for the other.
func (m *middle) pass(side string, from, to *leg) error {
	for {
		_, sealed, err := from.w.read()
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		plain, err := from.dec.Decrypt(nil, nil, sealed)
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		if len(plain) > 0 && plain[0] == 0 {
			m.mu.Lock()
			m.read = append(m.read, side+": "+string(plain[1:]))
			m.mu.Unlock()
		}
		out, err := to.enc.Encrypt(nil, nil, plain)
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		if err := to.w.binary(out); err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
	}
}

// testMiddle: a man in the middle passes everything on and can pretend to be a new
// device. That the operator has to notice; nobody can without pairing.
func testMiddle(t *testing.T, s *harness.Server, _ library) {
	for _, suite := range []string{suiteChaCha, suiteAES} {
		m := newMiddle(t, s.Sendspin)
		d := connect(t, m.url, options{suite: suite})
		d.sync(2)
		if d.serverID != idOf(m.server) {
			t.Errorf("the device sees server %s, which is not the one in the middle", d.serverID)
		}
		harness.Eventually(t, patience, "the one in the middle waits in the inbox", func() string {
			c, ok := s.ClientNamed(t, d.o.name)
			if !ok || c.ClientID != m.id() || c.Trust != "unapproved" {
				return fmt.Sprintf("%+v", c)
			}
			return ""
		})
		if !m.saw("device", "client/hello") || !m.saw("server", "server/activate") {
			t.Errorf("it did not read along: %v", m.read)
		}
	}
}

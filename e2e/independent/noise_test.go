package independent

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/flynn/noise"
)

const (
	suiteChaCha = "25519_ChaChaPoly_SHA256"
	suiteAES    = "25519_AESGCM_SHA256"
)

// patience bounds every single wait. Nothing is asserted about how long
// something takes, only that it happens.
const patience = time.Minute

// closing bounds the wait for the end of a connection. The server gives up by itself who
// says nothing for 30 s in an opening: an end that comes as late as that proves nothing.
const closing = 20 * time.Second

var b64 = base64.RawURLEncoding.Strict()

// sentinel is the Sentinel PSK as the specification derives it.
func sentinel() []byte {
	s := sha256.Sum256([]byte("sendspin-sentinel-psk-v1"))
	return s[:]
}

func pskID(psk []byte) string {
	s := sha256.Sum256(append([]byte("sendspin-psk-id-v1"), psk...))
	return b64.EncodeToString(s[:])
}

func newKey(t testing.TB) noise.DHKey {
	t.Helper()
	k, err := noise.DH25519.GenerateKeypair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func idOf(k noise.DHKey) string { return b64.EncodeToString(k.Public) }

// clientInit is the plain form; the tests of odd forms write their own bytes.
func clientInit(id, suite string) []byte {
	return fmt.Appendf(nil, `{"type":"client/init","payload":{"client_id":%q,"version":1,"suite":%q}}`, id, suite)
}

// opening is a handshake as a client sees it, up to before message 2.
type opening struct {
	ws         *ws
	hs         *noise.HandshakeState
	serverID   string
	serverInit []byte
	category   string // of the PSK that is mixed in
	missed     bool   // the server references a PSK that we do not have
}

// open sends init and reads server/init and Noise message 1, judging each.
func open(t testing.TB, w *ws, key noise.DHKey, suite string, init []byte) *opening {
	t.Helper()
	return openWith(t, w, key, suite, init, nil)
}

// openWith is open for a device that has credentials; with nil the server has to
// reference the Sentinel.
func openWith(t testing.TB, w *ws, key noise.DHKey, suite string, init []byte, v *vault) *opening {
	t.Helper()
	if err := w.text(init); err != nil {
		t.Fatal(err)
	}
	return expectOpening(t, w, key, suite, init, v)
}

// expectOpening reads server/init and Noise message 1. Both come without any
// further word of the client ("without waiting for any client message in between").
func expectOpening(t testing.TB, w *ws, key noise.DHKey, suite string, init []byte, v *vault) *opening {
	t.Helper()
	raw := w.mustText(t)
	si := judgeJSON(t, raw, "server/init")
	if si["version"] != json.Number("1") {
		t.Errorf("server/init version is %v", si["version"])
	}
	o := &opening{ws: w, serverInit: raw, serverID: si["server_id"].(string)}
	serverKey, err := b64.DecodeString(o.serverID)
	if err != nil || len(serverKey) != 32 || len(o.serverID) != 43 {
		t.Fatalf("server_id %q is not a key: %v", o.serverID, err)
	}
	o.hs, err = responder(suite, bytes.Join([][]byte{init, raw}, nil), key, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	m1 := judgeJSON(t, w.mustText(t), "noise/handshake")
	data, err := b64.DecodeString(m1["data"].(string))
	if err != nil {
		t.Fatalf("message 1 is not unpadded base64url: %v", err)
	}
	inner, _, _, err := o.hs.ReadMessage(nil, data)
	if err != nil {
		t.Fatalf("message 1 does not open: %v", err)
	}
	id, category, fault := reference(inner)
	if fault != "" {
		t.Fatal(fault)
	}
	psk, ok := v.match(id, category, o.serverID)
	if !ok {
		if v == nil {
			t.Fatalf("payload of message 1 is %s, want the Sentinel's psk_id and category sn", inner)
		}
		psk, category, o.missed = sentinel(), "sn", true // Sentinel Fallback
	}
	o.category = category
	if err := o.hs.SetPresharedKey(psk); err != nil {
		t.Fatal(err)
	}
	return o
}

// responder is the client's side of one handshake.
func responder(suite string, prologue []byte, key noise.DHKey, server []byte) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite: cipherSuite(suite), Pattern: noise.HandshakeKK, Prologue: prologue,
		StaticKeypair: key, PeerStatic: server, PresharedKeyPlacement: 2,
	})
}

func cipherSuite(suite string) noise.CipherSuite {
	cipher := map[string]noise.CipherFunc{suiteChaCha: noise.CipherChaChaPoly, suiteAES: noise.CipherAESGCM}[suite]
	return noise.NewCipherSuite(noise.DH25519, cipher, noise.HashSHA256)
}

// reference reads the payload of message 1: exactly psk_id and psk_category.
func reference(inner []byte) (id, category, fault string) {
	var m map[string]any
	if err := json.Unmarshal(inner, &m); err != nil {
		return "", "", fmt.Sprintf("payload of message 1 %q: %v", inner, err)
	}
	id, _ = m["psk_id"].(string)
	category, _ = m["psk_category"].(string)
	if len(m) != 2 || len(id) != 43 || category != "lt" && category != "pr" && category != "sn" {
		return "", "", fmt.Sprintf("payload of message 1 is %s, want psk_id and psk_category alone", inner)
	}
	return id, category, ""
}

// message2 makes Noise message 2 with a payload ("{}" for a proper one).
func (o *opening) message2(t testing.TB, payload string) (data []byte, enc, dec *noise.CipherState) {
	t.Helper()
	data, dec, enc, err := o.hs.WriteMessage(nil, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return data, enc, dec
}

func handshakeJSON(data []byte) []byte {
	return fmt.Appendf(nil, `{"type":"noise/handshake","payload":{"data":%q}}`, b64.EncodeToString(data))
}

// mustText reads one text message.
func (w *ws) mustText(t testing.TB) []byte {
	t.Helper()
	op, data, err := w.readWithin(patience)
	if err != nil {
		t.Fatal(err)
	}
	if op != opText {
		t.Fatalf("opcode %d, want a text message", op)
	}
	return data
}

package noise

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// hexBytes is hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// vector is one entry of testdata/kkpsk2.json, in the format that Noise
// implementations share.
type vector struct {
	Protocol    string     `json:"protocol_name"`
	InitPrology hexBytes   `json:"init_prologue"`
	InitPSKs    []hexBytes `json:"init_psks"`
	InitStatic  hexBytes   `json:"init_static"`
	InitEph     hexBytes   `json:"init_ephemeral"`
	InitRemote  hexBytes   `json:"init_remote_static"`
	RespStatic  hexBytes   `json:"resp_static"`
	RespEph     hexBytes   `json:"resp_ephemeral"`
	RespRemote  hexBytes   `json:"resp_remote_static"`
	Hash        hexBytes   `json:"handshake_hash"`
	Messages    []struct {
		Payload    hexBytes `json:"payload"`
		Ciphertext hexBytes `json:"ciphertext"`
	} `json:"messages"`
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/kkpsk2.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(raw, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) != 2 {
		t.Fatalf("got %d vectors, want one per suite", len(vs))
	}
	return vs
}

func (v vector) suite() Suite { return Suite(strings.TrimPrefix(v.Protocol, "Noise_KKpsk2_")) }

func (v vector) config(t testing.TB, static, remote, ephemeral []byte) Config {
	t.Helper()
	key, err := NewPrivateKey(static)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Suite: v.suite(), Static: key, Peer: PublicKey(remote),
		Prologue: v.InitPrology, Rand: bytes.NewReader(ephemeral),
	}
}

// The vectors carry payloads that Sendspin does not allow, so this test drives
// the library underneath with our Diffie-Hellman and our sessions.
func TestKnownAnswers(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(string(v.suite()), func(t *testing.T) {
			if !v.suite().Valid() {
				t.Fatalf("unexpected suite %q", v.suite())
			}
			ini, _, err := newState(v.config(t, v.InitStatic, v.InitRemote, v.InitEph), true)
			if err != nil {
				t.Fatal(err)
			}
			res, _, err := newState(v.config(t, v.RespStatic, v.RespRemote, v.RespEph), false)
			if err != nil {
				t.Fatal(err)
			}

			msg1, _, _, err := ini.WriteMessage(nil, v.Messages[0].Payload)
			if err != nil || !bytes.Equal(msg1, v.Messages[0].Ciphertext) {
				t.Fatalf("message 1: got %x (%v), want %x", msg1, err, v.Messages[0].Ciphertext)
			}
			payload, _, _, err := res.ReadMessage(nil, msg1)
			if err != nil || !bytes.Equal(payload, v.Messages[0].Payload) {
				t.Fatalf("payload 1: got %x (%v)", payload, err)
			}

			if err := res.SetPresharedKey(v.InitPSKs[0]); err != nil {
				t.Fatal(err)
			}
			if err := ini.SetPresharedKey(v.InitPSKs[0]); err != nil {
				t.Fatal(err)
			}
			msg2, rRecv, rSend, err := res.WriteMessage(nil, v.Messages[1].Payload)
			if err != nil || !bytes.Equal(msg2, v.Messages[1].Ciphertext) {
				t.Fatalf("message 2: got %x (%v), want %x", msg2, err, v.Messages[1].Ciphertext)
			}
			payload, iSend, iRecv, err := ini.ReadMessage(nil, msg2)
			if err != nil || !bytes.Equal(payload, v.Messages[1].Payload) {
				t.Fatalf("payload 2: got %x (%v)", payload, err)
			}

			iResult, err := newResult(v.suite(), ini, iSend, iRecv)
			if err != nil {
				t.Fatal(err)
			}
			rResult, err := newResult(v.suite(), res, rSend, rRecv)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(iResult.Hash[:], v.Hash) || !bytes.Equal(rResult.Hash[:], v.Hash) {
				t.Fatalf("hash: got %x and %x, want %x", iResult.Hash, rResult.Hash, v.Hash)
			}

			from, to := iResult.Session, rResult.Session
			for n, m := range v.Messages[2:] {
				sealed, err := from.Seal(nil, m.Payload)
				if err != nil || !bytes.Equal(sealed, m.Ciphertext) {
					t.Fatalf("transport message %d: got %x (%v), want %x", n, sealed, err, m.Ciphertext)
				}
				plain, err := to.Open(nil, sealed)
				if err != nil || !bytes.Equal(plain, m.Payload) {
					t.Fatalf("transport payload %d: got %x (%v)", n, plain, err)
				}
				from, to = to, from
			}
		})
	}
}

func TestSentinelConstants(t *testing.T) {
	const (
		psk    = "1b5e24dbc1aed95fc2a5a338a90c05df44bd10f5ec1f4cd66cbf86272767b9d3"
		pskID  = "185b15f6d2da4909bd1dc156a4ab206103abef0153bcd52d926170b95cf7ce8a"
		pskID6 = "GFsV9tLaSQm9HcFWpKsgYQOr7wFTvNUtkmFwuVz3zoo"
	)
	if got := hex.EncodeToString(SentinelPSK().Bytes()); got != psk {
		t.Errorf("Sentinel PSK: got %s, want %s", got, psk)
	}
	if SentinelPSKID() != pskID6 || SentinelPSK().ID() != pskID6 || PSKID(SentinelPSK()) != pskID6 {
		t.Errorf("Sentinel psk_id: got %s and %s, want %s", SentinelPSKID(), SentinelPSK().ID(), pskID6)
	}
	raw, err := idEncoding.DecodeString(SentinelPSKID())
	if err != nil || hex.EncodeToString(raw) != pskID {
		t.Errorf("Sentinel psk_id bytes: got %x (%v), want %s", raw, err, pskID)
	}
	if !SentinelPSK().IsSentinel() {
		t.Error("the Sentinel does not know itself")
	}
}

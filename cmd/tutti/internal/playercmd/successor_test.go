package playercmd

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func newKey(t *testing.T) *noise.PrivateKey {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func credential(c channel.Credential) func(context.Context, string) (channel.Credential, error) {
	return func(context.Context, string) (channel.Credential, error) { return c, nil }
}

// A paired player follows its server to a new key when the server's roster names that,
// and no other server gets at the record.
func TestFollowsItsServerToANewKey(t *testing.T) {
	url, accepted := server(t)
	p := start(t, "--connect", url, "--unpaired-access=false")
	old, next, stranger := newKey(t), newKey(t), newKey(t)
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{Identity: old})
	a := srv.Pair(srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	a.Enter(p.wait("pairing_code")["code"].(string))
	a.AwaitEnd()
	a.Promote([]string{wire.ActivityPlayback}, wire.RolePlayerV1, client.RoleSuccessors)
	p.wait("activated")

	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.Public().(ed25519.PublicKey)
	text, err := roster.Sign(roster.Roster{
		Kind: roster.Server, ID: roster.NewID(pub), Key: [32]byte(pub), Seq: 1, Name: "Casa", Time: time.Unix(1_700_000_000, 0),
		Devices: []roster.Device{roster.Device(old.Public()), roster.Device(next.Public())}, Active: 1,
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	object, err := json.Marshal(map[string]string{"roster": text})
	if err != nil {
		t.Fatal(err)
	}
	srv.Send(&wire.ServerState{App: wire.AppObjects{"_tutti_persona": json.RawMessage(`{"roster":"TR1.x"}`)}})
	p.wait("roster_refused")
	srv.Send(&wire.ServerState{App: wire.AppObjects{"_tutti_persona": object}})
	if e := p.wait("roster"); len(e["server_ids"].([]any)) != 2 {
		t.Errorf("%v", e)
	}
	srv.Close()

	lt := channel.Credential{PSK: a.PSK, Category: noise.LongTerm}
	if _, err := channel.OpenServer(t.Context(), <-accepted, channel.ServerConfig{Identity: stranger, Credential: credential(lt)}); err == nil {
		t.Error("a stranger uses the record")
	}
	srv = sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{Identity: next, Credential: lt})
	srv.Greet()
	if e := p.wait("succeeded"); e["server_id"] != next.Public().ID() || e["predecessor"] != old.Public().ID() {
		t.Errorf("%v", e)
	}
	srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](srv)
}

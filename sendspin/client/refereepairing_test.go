package client

import (
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestRefereeSeesFaultsOfPairing(t *testing.T) {
	pairing := func(method, format string) *wire.ServerActivate {
		return &wire.ServerActivate{Activities: []string{wire.ActivityPairing}, ActiveRoles: []string{}, Pairing: &wire.ActivatePairing{Method: method, Format: format}}
	}
	digits := func(r *rig, hello *wire.ClientHello) *sendspintest.Attempt {
		return r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	}
	succeed := func(t *testing.T, r *rig, hello *wire.ClientHello) *sendspintest.Attempt {
		t.Helper()
		a := digits(r, hello)
		a.AwaitQuestion(1)
		a.Enter(waitFor[PairingCode](t, r.recorder).Code.Text())
		a.AwaitEnd()
		return a
	}
	for name, c := range map[string]struct {
		rule   string
		script func(t *testing.T, r *rig, hello *wire.ClientHello)
	}{
		"method not offered":    {"server/activate", func(_ *testing.T, r *rig, _ *wire.ClientHello) { r.srv.Send(pairing(wire.MethodStaticCode, "")) }},
		"PSK method, other PSK": {"server/activate", func(_ *testing.T, r *rig, _ *wire.ClientHello) { r.srv.Send(pairing(wire.MethodPSK, "")) }},
		"no unpaired access":    {"server/activate", func(_ *testing.T, r *rig, _ *wire.ClientHello) { r.srv.Activate(playbackOnly, wire.RolePlayerV1) }},
		"no attempt": {"Pairing", func(_ *testing.T, r *rig, _ *wire.ClientHello) {
			r.srv.Activate(nil)
			r.srv.Send(&wire.ServerPairFinalize{})
		}},
		"out of sequence": {"Pairing", func(_ *testing.T, r *rig, hello *wire.ClientHello) {
			digits(r, hello)
			r.srv.Send(&wire.ServerPairConfirm{ServerKC: make([]byte, 64)})
		}},
		"low-order share": {"Pairing", func(_ *testing.T, r *rig, hello *wire.ClientHello) {
			digits(r, hello).AwaitQuestion(1)
			r.srv.Send(&wire.ServerPairAuth{PAKEMsg1: make([]byte, 32)})
		}},
		"a client's reason": {"pair/abort", func(_ *testing.T, r *rig, hello *wire.ClientHello) {
			digits(r, hello)
			r.srv.Send(&wire.PairAbort{Reason: wire.AbortAttemptTimeout})
		}},
		"unpair without a record": {"server/unpair", func(_ *testing.T, r *rig, _ *wire.ClientHello) {
			r.srv.Activate(nil)
			r.srv.Send(&wire.ServerUnpair{})
		}},
		"no re-handshake": {"Pairing", func(t *testing.T, r *rig, hello *wire.ClientHello) {
			succeed(t, r, hello)
			r.srv.Activate(nil)
		}},
		"no activate after the re-handshake": {"Re-handshake", func(t *testing.T, r *rig, hello *wire.ClientHello) {
			a := succeed(t, r, hello)
			_ = r.srv.Conn.Rehandshake(t.Context(), channel.Credential{PSK: a.PSK, Category: noise.LongTerm}, func() ([]byte, error) {
				return wire.Current().Encode(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "g"})
			})
		}},
		"role gone by the way, no end": {"server/activate", func(t *testing.T, r *rig, _ *wire.ClientHello) {
			if err := r.c.SetUnpairedAccess(true); err != nil {
				t.Fatal(err)
			}
			r.srv.Activate(playbackOnly, wire.RolePlayerV1)
			sendspintest.Expect[*wire.ClientState](r.srv)
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
			waitFor[StreamStarted](t, r.recorder)
			for len(r.events) > 0 { // the access was not in the hello
				<-r.events
			}
			r.srv.Activate(playbackOnly)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { withDynamic(c); c.UnpairedAccess = false })
			c.script(t, r, r.srv.Greet())
			if v := waitFor[Violation](t, r.recorder); !strings.HasPrefix(v.Rule, c.rule) || v.Detail == "" {
				t.Errorf("violation %q, want one of %q", v, c.rule)
			}
		})
	}
}

// The server knows of the mismatch: roles must wait until its record is gone.
func TestRefereeSeesRolesDespiteAMismatch(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{Credential: channel.Credential{PSK: newPSK(t), Category: noise.LongTerm}}, nil)
	if !r.srv.Conn.Mismatch() {
		t.Fatal("no mismatch")
	}
	r.play(t, wire.RolePlayerV1)
	if v := waitFor[Violation](t, r.recorder); v.Rule != "Sentinel Fallback" {
		t.Errorf("%s", v)
	}
}
